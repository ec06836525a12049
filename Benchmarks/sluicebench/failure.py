"""What ends a benchmark."""


class Broken(Exception):
    """A run that says nothing about speed: the server did not start, a row was lost, an answer was not 2xx."""
