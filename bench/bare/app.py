"""A function that does nothing, to measure Lambda's own bootstrap."""


def handler(_event: object, _context: object) -> dict[str, int]:
    return {"statusCode": 200}
