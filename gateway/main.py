"""The program `explore`: imports the command line, which takes a second or more, and runs it."""

import signal


def main() -> None:
    """Run the command line. Ctrl-C during the import ends the process without a traceback."""
    previous_handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gateway.cli import app  # noqa: PLC0415 (after the line above)

    signal.signal(signal.SIGINT, previous_handler)
    app()
