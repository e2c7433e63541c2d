"""How a plug-in is built."""

def shoal_plugin(name, srcs, deps = [], linkopts = [], visibility = None, testonly = None, **kwargs):
    """Builds the plug-in NAME.so out of ordinary C++ files, one of which has a SHOAL_PLUGIN block.

    Both labels, :NAME and :NAME.so, stand for the file.

    Args:
      name: of the plug-in, without ".so".
      srcs: its C++ files.
      deps: what they need; //plugins:plugin is always there.
      linkopts: further linker options.
      visibility: of both labels.
      testonly: as everywhere.
      **kwargs: further attributes of cc_binary (copts, data, ...).
    """
    exports = "//plugins:plugin.lds"
    native.cc_binary(
        name = name + ".so",
        srcs = srcs,
        additional_linker_inputs = [exports],
        linkopts = linkopts + ["-Wl,--version-script=$(location %s)" % exports],
        linkshared = True,
        testonly = testonly,
        visibility = visibility,
        deps = deps + ["//plugins:plugin"],
        **kwargs
    )
    native.alias(
        name = name,
        actual = name + ".so",
        testonly = testonly,
        visibility = visibility,
    )
