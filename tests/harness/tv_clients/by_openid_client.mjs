// A TV app on openid-client: ISSUER CLIENT_ID WATCH_URL [dpop]; prints its user code, then what became of it, a line of JSON each.
import * as client from "openid-client";

const [issuer, clientId, watchUrl, dpop] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));

const server = new URL(issuer);
const config = await client.discovery(server, clientId, undefined, client.None(), { algorithm: "oauth2" });
const options = dpop ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair()) } : {};
const codes = await client.initiateDeviceAuthorization(config, {});
say({ user_code: codes.user_code, complete: codes.verification_uri_complete });
const first = await client.pollDeviceAuthorizationGrant(config, { ...codes, interval: 1 }, undefined, options);
const second = await client.refreshTokenGrant(config, first.refresh_token, undefined, options);
const watch = [config, second.access_token, new URL(watchUrl), "GET", undefined, undefined];
const watched = await client.fetchProtectedResource(...watch, options);
let alone;
if (dpop) {
  // What a thief could do who has the tokens and not the key.
  alone = await client.refreshTokenGrant(config, second.refresh_token).catch((error) => error.error);
}
await client.tokenRevocation(config, second.refresh_token);
let after;
try {
  await client.refreshTokenGrant(config, second.refresh_token, undefined, options);
} catch (error) {
  after = error.error;
}
say({ type: second.token_type, expires_in: second.expires_in, watched: watched.status, after, alone });
