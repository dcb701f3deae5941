"""Outcomes in DynamoDB: the only modules that know tables, attributes and the way to AWS."""
