"""Elements of our own: a class for the page and a component for the browser."""
