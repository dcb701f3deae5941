"""Define the contract: fields and rules of requests, and the JSON of answers. It imports neither AWS nor HTTP code."""
