"""The log: one line an event, and no secret in a traceback."""

import logging

import structlog


def test_a_traceback_in_the_log_holds_no_local_variables():
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    formatter = next(one for one in formatters if isinstance(one, structlog.stdlib.ProcessorFormatter))
    try:
        authorization = "Bearer ft_canary"
        raise RuntimeError("it broke")
    except RuntimeError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, "a door caught it", (), info)
    text = formatter.format(record)
    assert "RuntimeError: it broke" in text
    assert authorization not in text
