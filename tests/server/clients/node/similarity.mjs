// Hugging Face's InferenceClient: how similar the first of the texts is to each of the others.
import { InferenceClient } from "@huggingface/inference";

const [url, key, texts] = process.argv.slice(2);
const [source_sentence, ...sentences] = JSON.parse(texts);
const client = new InferenceClient(key).endpoint(url);
console.log(JSON.stringify(await client.sentenceSimilarity({ inputs: { source_sentence, sentences } })));
