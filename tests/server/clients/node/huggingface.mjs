// Hugging Face's InferenceClient: the vectors of the texts that are given as JSON.
import { InferenceClient } from "@huggingface/inference";

const [url, key, texts] = process.argv.slice(2);
const client = new InferenceClient(key).endpoint(url);
console.log(JSON.stringify(await client.featureExtraction({ inputs: JSON.parse(texts) })));
