"""Define the contract: the fields and rules of requests, and the JSON of answers. Import neither AWS nor HTTP code."""
