from engine.schema.execution import ExecReport

def report_text(event: ExecReport) -> bytes | None:
    """The report as :func:`engine.schema.codec.to_json` tells it, byte for byte, in a tenth of the time.

    None where a text in it has to be escaped, or a number lies outside what any venue tells: then the codec's own way
    tells it.

    Raises:
        UseAfterRecycleError: the event was given back.
    """
