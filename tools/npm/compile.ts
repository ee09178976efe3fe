/**
 * TypeScript modules to what Node, Bun and bundlers take: JavaScript of ES2022, in which `using` is written out, and
 * the types beside it.
 *
 * @module
 */

import ts from "npm:typescript@5.9.3";

/** What became of modules. */
export interface Compiled {
  /** Texts by their paths: for `a.ts` there are `a.js` and `a.d.ts`. */
  readonly files: ReadonlyMap<string, string>;
  /** Paths of the JavaScript that does something when it is imported. */
  readonly effects: readonly string[];
}

const OPTIONS: ts.CompilerOptions = {
  allowImportingTsExtensions: false,
  declaration: true,
  isolatedModules: true,
  lib: ["lib.esnext.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  resolveJsonModule: true,
  strict: true,
  stripInternal: true,
  // Node 22 has no `using`; other syntax that is newer than this, the modules have none.
  target: ts.ScriptTarget.ES2022,
  types: [],
};

/**
 * Compiles modules that import each other as JavaScript. Nothing is checked: `deno task check:types` does that.
 *
 * @param root The path of the folder that they are in, for what else they import, such as JSON.
 * @param sources Their texts, by their paths in it.
 * @param globals The types of the global names that they use.
 * @throws {Error} If one of them is no TypeScript.
 */
export function compile(
  root: string,
  sources: ReadonlyMap<string, string>,
  globals: string,
): Compiled {
  const texts = new Map([...sources].map(([path, text]) => [root + path, text]));
  texts.set(`${root}globals.d.ts`, globals);
  const program = ts.createProgram([...texts.keys()], OPTIONS, hostOf(texts));
  const files = new Map<string, string>();
  const modules = program.getSourceFiles().filter(({ fileName, isDeclarationFile }) =>
    texts.has(fileName) && !isDeclarationFile
  );
  for (const module of modules) {
    const [fault] = program.getSyntacticDiagnostics(module);
    if (fault !== undefined) {
      throw new Error(
        `${module.fileName}: ${ts.flattenDiagnosticMessageText(fault.messageText, "\n")}`,
      );
    }
    program.emit(module, (path, text) => void files.set(path.slice(root.length), text));
  }
  const effects = modules.filter(hasEffects).map(({ fileName }) =>
    fileName.slice(root.length).replace(/\.ts$/, ".js")
  );
  return { files, effects };
}

/** Files of the disk, but for those that are given. */
function hostOf(texts: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS);
  return {
    ...host,
    fileExists: (path) => texts.has(path) || host.fileExists(path),
    readFile: (path) => texts.get(path) ?? host.readFile(path),
    getSourceFile: (path, options) => {
      const text = texts.get(path);
      if (text === undefined) return host.getSourceFile(path, options);
      return ts.createSourceFile(path, text, options);
    },
  };
}

/** Whether a module does more than to declare, to import and to export. */
function hasEffects({ statements }: ts.SourceFile): boolean {
  return statements.some((statement) =>
    ts.isExpressionStatement(statement) || ts.isIfStatement(statement) ||
    ts.isTryStatement(statement) || ts.isIterationStatement(statement, false)
  );
}
