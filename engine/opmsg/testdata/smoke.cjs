// What an application does first, with the Node.js driver: smoke.cjs URI
const { MongoClient } = require("mongodb");
const assert = require("node:assert");
(async () => {
  const client = await new MongoClient(process.argv[2]).connect();
  const c = client.db("node").collection("c");
  await c.insertMany(Array.from({ length: 300 }, (_, i) => ({ _id: i, n: i % 3 })));
  assert.equal(await c.countDocuments({ n: 1 }), 100);
  assert.equal((await c.find({ n: 2 }).batchSize(7).toArray()).length, 100);
  await assert.rejects(c.insertOne({ _id: 1 }), { code: 11000 });
  const stream = c.watch();
  assert.equal(await stream.tryNext(), null);
  await c.insertOne({ _id: 1000 });
  assert.equal((await stream.next()).documentKey._id, 1000);
  await stream.close();
  await client.withSession((s) => s.withTransaction(() => c.updateOne({ _id: 1 }, { $inc: { n: 5 } }, { session: s })));
  assert.equal((await c.findOne({ _id: 1 })).n, 6);
  await client.close();
  console.log("fine");
})().catch((e) => { console.error(e); process.exit(1); });
