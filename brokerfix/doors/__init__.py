"""What the doors for people without FIX share: a client's FIX session, and requests and answers as JSON."""
