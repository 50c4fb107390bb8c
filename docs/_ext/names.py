"""Names of skae without their module are links, too, where only one thing has that name."""

MODULES = (
    "skae",
    "skae.corruption",
    "skae.impute",
    "skae.io",
    "skae.likelihoods",
    "skae.metrics",
    "skae.model_selection",
    "skae.networks",
    "skae.plotting",
    "skae.priors",
)


def resolve(app, env, node, contnode):
    """Return a link to the one thing of skae that a name stands for, or None."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    target = node["reftarget"]
    found = [name for m in MODULES if (name := f"{m}.{target}") in domain.objects]
    if len(found) != 1:
        return None
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", found[0], node, contnode
    )


def setup(app):
    """Tell Sphinx of it."""
    app.connect("missing-reference", resolve, priority=400)  # before intersphinx
    return {"parallel_read_safe": True}
