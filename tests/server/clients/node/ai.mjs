// The AI SDK with its provider for services like OpenAI's: the vectors of the texts that are given as JSON.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany } from "ai";

const [url, key, texts] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "minilm", baseURL: `${url}/v1`, apiKey: key });
const answer = await embedMany({ model: provider.embeddingModel("m"), values: JSON.parse(texts) });
console.log(JSON.stringify(answer.embeddings));
