// The same on oauth4webapi, which checks every answer by the letter: ISSUER CLIENT_ID WATCH_URL.
import * as oauth from "oauth4webapi";

const [issuer, clientId, watchUrl] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const url = new URL(issuer);
const found = await oauth.discoveryRequest(url, { algorithm: "oauth2" });
const server = await oauth.processDiscoveryResponse(url, found);
const client = { client_id: clientId };
const none = oauth.None();
const asked = await oauth.deviceAuthorizationRequest(server, client, none, {});
const codes = await oauth.processDeviceAuthorizationResponse(server, client, asked);
say({ user_code: codes.user_code, complete: codes.verification_uri_complete });
let tokens;
const seen = [];
while (!tokens) {
  const answer = await oauth.deviceCodeGrantRequest(server, client, none, codes.device_code);
  try {
    tokens = await oauth.processDeviceCodeResponse(server, client, answer);
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    if (!["authorization_pending", "slow_down"].includes(error.error)) throw error;
    seen.push(error.error);
    await pause(0.3); // Not patient at all: what is approved it gets all the same.
  }
}
const answered = await oauth.refreshTokenGrantRequest(server, client, none, tokens.refresh_token);
const second = await oauth.processRefreshTokenResponse(server, client, answered);
const watched = await oauth.protectedResourceRequest(second.access_token, "GET", new URL(watchUrl));
const revoked = await oauth.revocationRequest(server, client, none, second.refresh_token);
await oauth.processRevocationResponse(revoked);
const again = await oauth.refreshTokenGrantRequest(server, client, none, second.refresh_token);
let after;
try {
  await oauth.processRefreshTokenResponse(server, client, again);
} catch (error) {
  after = error.error;
}
say({ type: second.token_type, expires_in: second.expires_in, watched: watched.status, after, first: seen[0] });
