"""Elements of our own: a class for the page and a component for the browser."""
"""What pages have that NiceGUI has not: elements that fetch by themselves what they show."""
"""Parts of pages that NiceGUI has not: each a class here and what it does in the browser beside it."""
