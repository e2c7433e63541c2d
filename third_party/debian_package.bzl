"""How a library that Debian has installed becomes a Bazel repository."""

def require_path(ctx, path, package):
    """Fails with the way out when a file of a Debian package is missing."""
    if not ctx.path(path).exists:
        fail("%s is missing: install Debian's package %s, or run the command as `tools/with-deps bazel ...`." % (
            path,
            package,
        ))

def library_dir(ctx):
    """Returns where Debian keeps the libraries of this architecture."""
    for triplet in ["x86_64-linux-gnu", "aarch64-linux-gnu"]:
        directory = "/usr/lib/" + triplet
        if ctx.path(directory + "/libc.so").exists:
            return directory
    fail("/usr/lib has no libc.so: install Debian's package libc6-dev, or run the command as `tools/with-deps bazel ...`.")

def _debian_library_impl(ctx):
    for header in ctx.attr.headers:
        require_path(ctx, "/usr/include/" + header, ctx.attr.package)
    build = 'package(default_visibility = ["//visibility:public"])\n'
    for target, linkopts in ctx.attr.targets.items():
        # No hdrs: they are in /usr/include, where the compiler looks anyway.
        build += "\ncc_library(\n    name = %r,\n    linkopts = %r,\n)\n" % (target, linkopts)
    ctx.file("BUILD", build, executable = False)

debian_library = repository_rule(
    implementation = _debian_library_impl,
    attrs = {
        "headers": attr.string_list(
            mandatory = True,
            doc = "Files below /usr/include that prove the package is there.",
        ),
        "package": attr.string(mandatory = True, doc = "Debian's name."),
        "targets": attr.string_list_dict(
            mandatory = True,
            doc = "Target name to link options.",
        ),
    },
    # Depends on the machine alone: nothing is kept from another one.
    local = True,
)
