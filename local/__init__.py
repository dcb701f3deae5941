"""The Docker-free stack: runs what template.yaml deploys on a laptop.

`template` transforms the template with SAM's translator and resolves it; `aws` serves its tables and secrets from moto;
`lambdas` runs its functions as processes; `gateway` answers HTTP like its REST API; `event_sources` passes the records
of table streams to functions; `bus` logs and posts the events that they publish. `stack` starts all of them.

Not emulated. API Gateway: throttling, usage plans and API keys, IAM and Cognito authorization, request validators and
models, WAF, access logs. CloudWatch: metrics, whose log lines are dropped. DynamoDB: what moto lacks, such as expiry by
TTL.
"""
