"""A function that does nothing: what starts before it is Lambda's own."""


def handler(_event: object, _context: object) -> dict[str, int]:
    return {"statusCode": 200}
