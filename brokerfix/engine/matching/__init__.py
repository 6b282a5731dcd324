"""Our own book, and auctions in it."""
