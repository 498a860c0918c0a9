"""What a package says of itself: its pages."""


def address(*labels: str, package: str = "asrppl") -> str | None:
    """Return the address that a package's metadata has under the first of these labels that is there.

    None where there is none, as of a package that is imported from a zip or a folder.
    """
    from importlib.metadata import PackageNotFoundError, metadata  # slow to import, and seldom asked for

    try:
        entries = metadata(package).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    known = {label.strip().lower(): url.strip() for label, _, url in (str(entry).partition(",") for entry in entries)}
    return next((known[label.lower()] for label in labels if label.lower() in known), None)
