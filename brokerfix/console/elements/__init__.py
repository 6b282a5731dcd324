"""Parts of pages that NiceGUI has not: each a class here, and beside it what it does in the browser, where it fetches
by itself what it shows."""
