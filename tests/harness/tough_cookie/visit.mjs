// A client that keeps cookies in tough-cookie: visit.mjs CA_FILE URL..., one line of JSON with each answer's body.
import { readFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { CookieJar } from "tough-cookie";

const [caFile, ...urls] = process.argv.slice(2);
const agent = new Agent({ ca: readFileSync(caFile), keepAlive: true });
const jar = new CookieJar(undefined, { prefixSecurity: "strict" });

async function visit(url) {
  const cookie = await jar.getCookieString(url);
  const answer = await new Promise((resolve, reject) => {
    get(url, { agent, headers: cookie ? { cookie } : {} }, resolve).on("error", reject);
  });
  for (const line of answer.headers["set-cookie"] ?? []) await jar.setCookie(line, url);
  let body = "";
  for await (const part of answer) body += part;
  return body;
}

const bodies = [];
for (const url of urls) bodies.push(await visit(url));
console.log(JSON.stringify(bodies));
agent.destroy();
