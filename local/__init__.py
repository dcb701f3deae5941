"""Run the resources of template.yaml on a laptop, without Docker.

`template` transforms the template with SAM's translator and resolves it; `aws` serves the template's tables and secrets
with moto; `roles` refuses what a function's role does not allow; `lambdas` runs the functions as processes; `gateway`
answers HTTP requests like the REST API; `delivery` passes stream records of the tables to functions, and logs and posts
the events that functions publish. `stack` starts all of these.

The stack does not emulate the following. API Gateway: throttling, usage plans and API keys, IAM and Cognito
authorization, request validators and models, stage variables, WAF, access logs. CloudWatch: metrics, whose log lines
are dropped. DynamoDB: features that moto lacks, such as expiry by TTL.
"""
