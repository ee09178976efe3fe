/** What no checkpoint needs: names in a pickle that would run something, if anybody called them. */

/** Modules whose functions run, import or fetch what they are given. */
const MODULES = new Set([
  ...["os", "posix", "nt", "subprocess", "commands", "popen2", "pty", "shutil", "sys", "socket"],
  ...["ctypes", "importlib", "imp", "runpy", "pdb", "bdb", "timeit", "cProfile", "webbrowser"],
  ...["marshal", "asyncio", "urllib", "urllib2", "requests", "ftplib", "smtplib", "pip"],
]);

/** Modules that nothing may be reached through either: the name `os.system` in `torch`. */
const INNER = new Set(["os", "posix", "nt", "subprocess", "sys", "builtins", "__builtin__"]);

/** Functions of `builtins`, which Python 2 calls `__builtin__`. */
const BUILTINS = new Set([
  ...["eval", "exec", "execfile", "compile", "open", "file", "input", "raw_input", "breakpoint"],
  ...["__import__", "apply", "globals", "locals", "setattr", "delattr", "reload", "exit", "quit"],
]);

/** Functions of other modules that do so. */
const FUNCTIONS = new Set([
  ...[
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "numpy",
    "torch",
    "torch.jit",
  ]
    .flatMap((module) => [`${module}.load`, `${module}.loads`]),
  ...["torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.package.PackageImporter"],
  ...["code.InteractiveInterpreter", "code.InteractiveConsole", "functools.reduce"],
  "numpy.testing._private.utils.runstring",
]);

/** Whether a name is of something that executes, opens or fetches what it is told to. */
export function isExecutable(name: string): boolean {
  const [first = "", ...more] = name.split(".");
  if (first === "builtins" || first === "__builtin__") {
    return more.length !== 1 || BUILTINS.has(more[0]!);
  }
  // Attributes such as `__globals__` lead to everything.
  const isInner = (part: string) => INNER.has(part) || /^__(?!init|main)\w+__$/.test(part);
  return MODULES.has(first) || FUNCTIONS.has(name) || more.some(isInner);
}
