/**
 * What modules import, by the names that npm's packages have.
 *
 * @module
 */

import ts from "npm:typescript@5.9.3";

/**
 * Rewrites what a module imports and exports from elsewhere, types and later imports included.
 *
 * @param map Gives the new specifier.
 */
export function mapSpecifiers(source: string, map: (specifier: string) => string): string {
  const file = ts.createSourceFile("module.ts", source, ts.ScriptTarget.ESNext);
  let mapped = "", end = 0;
  for (const literal of specifiersOf(file)) {
    const start = literal.getStart(file);
    mapped += source.slice(end, start) + JSON.stringify(map(literal.text));
    end = literal.end;
  }
  return mapped + source.slice(end);
}

/** The specifiers of a module, in its order. A computed one is nobody's. */
function* specifiersOf(file: ts.SourceFile): Generator<ts.StringLiteral> {
  const nodes: ts.Node[] = [...file.statements];
  for (let node = nodes.shift(); node !== undefined; node = nodes.shift()) {
    const found = specifierOf(node);
    if (found !== undefined && ts.isStringLiteral(found)) yield found;
    nodes.unshift(...childrenOf(node));
  }
}

function childrenOf(node: ts.Node): ts.Node[] {
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  return children;
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return node.argument.literal;
  }
  const isImport = ts.isCallExpression(node) &&
    node.expression.kind === ts.SyntaxKind.ImportKeyword;
  return isImport ? node.arguments[0] : undefined;
}
