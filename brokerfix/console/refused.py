"""What pages tell where something can't be had or done."""


class Refused(Exception):
    """Why something was not done, for the person who wanted it."""
