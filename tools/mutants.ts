/**
 * Small changes to a module, each of which a test should notice.
 *
 * @module
 */

import ts from "npm:typescript@5.9.3";

/** One change: the text from `begin` to `end` becomes `text`. */
export interface Mutant {
  /** What kind of change it is. */
  readonly operator: string;
  readonly begin: number;
  readonly end: number;
  readonly text: string;
  /** Where it is, from 1. */
  readonly line: number;
}

/** Operators of comparison, and what each becomes: flipped, and off by one. */
const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
};

const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "<<": ">>",
  ">>": "<<",
  "&": "|",
  "|": "&",
};

/** Calls whose result is their subject in another order, or made harmless: without them it is as it was. */
const REORDERS = ["sort", "toSorted", "reverse", "toReversed", "trim", "toLowerCase"];
const ESCAPES = /^(escape|visible|encodeURIComponent|publicText|publicUrl)/;

/** Lists the mutants of a module, in the order of its text. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const put = (operator: string, node: ts.Node, text: string): void => {
    const begin = node.getStart(tree), end = node.getEnd();
    const { line } = tree.getLineAndCharacterOfPosition(begin);
    mutants.push({ operator, begin, end, text, line: line + 1 });
  };
  const visit = (node: ts.Node): void => {
    // Types and imports change nothing that runs.
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) {
      return;
    }
    mutate(node, put);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return mutants;
}

function mutate(
  node: ts.Node,
  put: (operator: string, node: ts.Node, text: string) => void,
): void {
  if (ts.isBinaryExpression(node)) return mutateBinary(node, put);
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) {
    put("condition negated", node.expression, `!(${node.expression.getText()})`);
  }
  if (ts.isConditionalExpression(node)) {
    put("condition negated", node.condition, `!(${node.condition.getText()})`);
  }
  if (ts.isExpressionStatement(node)) put("statement removed", node, ";");
  if (ts.isThrowStatement(node)) put("throw removed", node, ";");
  if (ts.isAwaitExpression(node)) put("await removed", node, `(${node.expression.getText()})`);
  if (ts.isNumericLiteral(node) && !isEnumLike(node)) {
    put("constant changed", node, `(${node.getText()} + 1)`);
  }
  if (node.kind === ts.SyntaxKind.TrueKeyword) put("constant changed", node, "false");
  if (node.kind === ts.SyntaxKind.FalseKeyword) put("constant changed", node, "true");
  if (ts.isShorthandPropertyAssignment(node)) {
    put("property dropped", node, `${node.name.text}: undefined`);
  }
  if (ts.isPropertyAssignment(node) && !ts.isNumericLiteral(node.name)) {
    put("property dropped", node.initializer, "undefined as never");
  }
  if (ts.isCallExpression(node)) mutateCall(node, put);
}

function mutateBinary(
  node: ts.BinaryExpression,
  put: (operator: string, node: ts.Node, text: string) => void,
): void {
  const { left, operatorToken, right } = node;
  const [a, b, sign] = [left.getText(), right.getText(), operatorToken.getText()];
  for (const other of COMPARISONS[sign] ?? []) {
    put("comparison changed", node, `${a} ${other} ${b}`);
  }
  if (sign === "&&") put("and becomes or", node, `(${a}) || (${b})`);
  if (sign === "||") put("or becomes and", node, `(${a}) && (${b})`);
  if (sign === "??") put("default changed", node, `(${a}) as never`);
  const other = ARITHMETIC[sign];
  const isText = [left, right].some((side) =>
    ts.isStringLiteralLike(side) || ts.isTemplateExpression(side)
  );
  if (other !== undefined && !isText) put("arithmetic changed", node, `(${a}) ${other} (${b})`);
}

function mutateCall(
  node: ts.CallExpression,
  put: (operator: string, node: ts.Node, text: string) => void,
): void {
  const { expression, arguments: [first] } = node;
  if (ts.isPropertyAccessExpression(expression) && REORDERS.includes(expression.name.text)) {
    put("call left out", node, expression.expression.getText());
  }
  if (ts.isIdentifier(expression) && ESCAPES.test(expression.text) && first !== undefined) {
    put("call left out", node, first.getText());
  }
}

/** A key of a table, or the part of an array that is looked up by number, is no constant of its own. */
function isEnumLike({ parent }: ts.NumericLiteral): boolean {
  return ts.isPropertyAssignment(parent) && ts.isNumericLiteral(parent.name) ||
    ts.isElementAccessExpression(parent);
}
