// Snowplow's Node tracker, as it comes: send.mjs COLLECTOR_URL get|post base64|json APP; exits 0 when everything was taken.
import {
  buildLinkClick,
  buildPagePing,
  buildPageView,
  buildScreenView,
  buildSelfDescribingEvent,
  buildStructEvent,
  newTracker,
} from "@snowplow/node-tracker";

const [endpoint, eventMethod, encoding, appId] = process.argv.slice(2);
const failures = [];
const tracker = newTracker(
  { namespace: "node", appId, encodeBase64: encoding === "base64" },
  { endpoint, eventMethod, bufferSize: 2, onRequestFailure: (failure) => failures.push(failure) },
);
tracker.setPlatform("tv");
tracker.setUserId("u-1");
tracker.setDomainUserId("d-1");
tracker.setSessionId("s-1");

const page = "https://www.example.com/watch/7?utm_campaign=spring";
const schema = (name) => `iglu:com.acme/${name}/jsonschema/1-0-0`;
tracker.track(buildPageView({ pageUrl: page, pageTitle: "Grüße 😀", referrer: "https://search.example/?q=x" }), [
  { schema: schema("tenant"), data: { name: "Müller & Söhne" } },
]);
tracker.track(buildPagePing({ pageUrl: page, maxYOffset: 700 }));
tracker.track(buildStructEvent({ category: "shop", action: "add", label: "red", property: "size", value: 9.5 }));
tracker.track(buildLinkClick({ targetUrl: "https://shop.example/red?x=1", elementId: "buy" }));
tracker.track(buildScreenView({ id: "9f0b1d6e-6f2e-4e43-9c57-0f6c1d2a3b4c", name: "Home" }));
tracker.track(
  buildSelfDescribingEvent({ event: { schema: schema("purchase"), data: { total: 12, items: ["a", "b"] } } }),
);
await tracker.flush();
if (failures.length > 0) {
  console.error(JSON.stringify(failures));
  process.exitCode = 1;
}
