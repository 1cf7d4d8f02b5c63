// OpenAI's client: the vectors of the texts that are given as JSON.
import OpenAI from "openai";

const [url, key, texts] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const answer = await client.embeddings.create({ model: "m", input: JSON.parse(texts) });
console.log(JSON.stringify(answer.data.map((item) => item.embedding)));
