"""The typed tree and what walks it: free of torch, of the grammar and of the checker."""
