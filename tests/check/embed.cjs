// Vectors by transformers.js: JSON lines of texts on stdin, JSON lines of vectors on stdout.
// Usage: node embed.cjs FOLDER_WITH_NODE_MODULES FOLDER_OF_MODELS MODEL DTYPE
const { createRequire } = require("node:module");
const [folder, models, model, dtype] = process.argv.slice(2);

(async () => {
  const { env, pipeline } = createRequire(`${folder}/`)("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = models;
  const extract = await pipeline("feature-extraction", model, { dtype });
  const lines = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
  for (const line of lines) {
    const output = await extract([JSON.parse(line).text], { pooling: "mean", normalize: true });
    console.log(JSON.stringify(output.tolist()[0]));
  }
})();
