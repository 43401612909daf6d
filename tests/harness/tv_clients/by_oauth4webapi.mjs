// The same on oauth4webapi, which checks every answer by the letter: ISSUER CLIENT_ID WATCH_URL [dpop].
import * as oauth from "oauth4webapi";

const [issuer, clientId, watchUrl, dpop] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const url = new URL(issuer);
const found = await oauth.discoveryRequest(url, { algorithm: "oauth2" });
const server = await oauth.processDiscoveryResponse(url, found);
// A TV whose clock has never been set: a proof's time is that of its nonce.
const client = { client_id: clientId, [oauth.clockSkew]: -1_700_000_000 };
const none = oauth.None();
const keys = dpop && (await oauth.generateKeyPair("Ed25519"));
const proving = () => (dpop ? { DPoP: oauth.DPoP(client, keys) } : {});
const options = proving();
let noncesTold = 0;
// What the library leaves to the app: to ask again with the nonce that it has kept.
const withNonce = async (ask) => {
  try {
    return await ask();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    noncesTold += 1;
    return await ask();
  }
};
const refresh = (token, how = options) =>
  withNonce(async () =>
    oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, none, token, how),
    ),
  );

const asked = await oauth.deviceAuthorizationRequest(server, client, none, {});
const codes = await oauth.processDeviceAuthorizationResponse(server, client, asked);
say({ user_code: codes.user_code, complete: codes.verification_uri_complete });
let tokens;
const seen = [];
while (!tokens) {
  try {
    tokens = await withNonce(async () => {
      const answer = await oauth.deviceCodeGrantRequest(server, client, none, codes.device_code, options);
      return await oauth.processDeviceCodeResponse(server, client, answer);
    });
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    if (!["authorization_pending", "slow_down"].includes(error.error)) throw error;
    seen.push(error.error);
    await pause(0.3); // Not patient at all: what is approved it gets all the same.
  }
}
const second = await refresh(tokens.refresh_token);
const watch = [second.access_token, "GET", new URL(watchUrl), undefined, undefined];
const elsewhere = proving(); // Knows no nonce yet, as for another host.
const watched = await withNonce(() => oauth.protectedResourceRequest(...watch, elsewhere));
let alone;
if (dpop) {
  // What a thief could do who has the tokens and not the key.
  alone = await refresh(second.refresh_token, {}).catch((error) => error.error);
}
const revoked = await oauth.revocationRequest(server, client, none, second.refresh_token);
await oauth.processRevocationResponse(revoked);
const after = await refresh(second.refresh_token).catch((error) => error.error);
say({ type: second.token_type, expires_in: second.expires_in, watched: watched.status, after, alone, first: seen[0], noncesTold });
