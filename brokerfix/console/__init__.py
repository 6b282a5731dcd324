"""The console in a browser: a process of its own that reads the journal and the database, and acts through the
operator's door."""

NEEDS = "the console needs libraries: pip install 'brokerfix[console]'"
