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


# What this package needs, and the versions that pyproject.toml names.
NEEDED = {"duckdb": "duckdb==1.5.5", "pyarrow": "pyarrow", "yaml": "pyyaml", "xxhash": "xxhash", "zoneinfo": "tzdata"}


def missing_module(module, where):
    """What to do about a Python package that is not there."""
    package = NEEDED.get((module or "").split(".")[0], module)
    return (
        f"the Python package {package} is not installed {where}: pip install '{package}' on every node "
        f"(Glue: --additional-python-modules {package}; elsewhere a packed venv with --archives)"
    )


def did_you_mean(name, known):
    """`; did you mean 'x'?` for the nearest of `known`, or nothing."""
    import difflib

    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
