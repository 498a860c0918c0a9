"""The playground: a page that checks rules as they are typed, and says which boxes break what."""
