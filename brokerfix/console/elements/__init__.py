"""Parts of pages that NiceGUI has not: each a class here and what it does in the browser beside it."""
