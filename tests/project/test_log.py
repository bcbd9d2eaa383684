"""The log: one line an event, and no secret in a traceback."""

import logging

import structlog


def test_a_traceback_in_the_log_holds_no_local_variables():
    formatter = logging.getLogger().handlers[0].formatter
    if not isinstance(formatter, structlog.stdlib.ProcessorFormatter):
        formatter = next(
            handler.formatter
            for handler in logging.getLogger().handlers
            if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
        )
    try:
        authorization = "Bearer ft_canary"
        raise RuntimeError("it broke")
    except RuntimeError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, "a door caught it", (), info)
    text = formatter.format(record)
    assert "RuntimeError: it broke" in text
    assert authorization not in text
