"""The contract: fields and rules of requests, and texts of answers. Imports neither AWS nor HTTP."""
