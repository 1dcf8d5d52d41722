"""What is told to the user: a message with the place it is about."""


class Refused(Exception):
    """Something that the user can mend, with `file:line:column` where one is known."""

    def __init__(self, message, place=None):
        super().__init__(f"{place}: {message}" if place else message)
        self.message, self.place = message, place


class Problems(Exception):
    """Everything that is wrong with a file, at once."""

    def __init__(self, errors):
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


def did_you_mean(name, known):
    """`; did you mean 'x'?` for the nearest of `known`, or nothing."""
    import difflib

    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
