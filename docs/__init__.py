"""The pages, the curves on them (`figures`), and what makes a site of them (`site`)."""
