"""The Docker-free stack: what template.yaml deploys, on a laptop.

`template` transforms the template as SAM would and resolves it; `aws` keeps its tables and secrets in moto; `lambdas`
runs its functions as processes; `gateway` answers HTTP as its REST API would, `event_sources` gives functions what
streams of tables tell, and `bus` listens to what those tell. `stack` puts them together.

Of API Gateway, not there: throttling, usage plans and API keys, IAM and Cognito authorization, request validators and
models, WAF, access logs. Of CloudWatch: metrics, whose lines are left out. Of DynamoDB: what moto leaves out (expiry by
TTL, for one).
"""
