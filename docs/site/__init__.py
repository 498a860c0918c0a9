"""The site: pages are staged as plain Markdown, and a builder that can be exchanged makes HTML of them."""
