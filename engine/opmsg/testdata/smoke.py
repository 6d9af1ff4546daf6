# What an application does first, with PyMongo: smoke.py URI
import pymongo, sys, datetime
c=pymongo.MongoClient(sys.argv[1])
db=c.smoke; db.c.drop()
db.c.insert_many([{"_id":i,"n":i%3,"d":datetime.datetime(2020,1,1)} for i in range(500)])
assert db.c.count_documents({"n":1})==167
assert len(list(db.c.find({"n":2}).batch_size(10)))==166
assert list(db.c.aggregate([{"$group":{"_id":"$n","c":{"$sum":1}}},{"$sort":{"_id":1}}]))[0]=={"_id":0,"c":167}
db.c.create_index([("n",1)],unique=False)
assert "n_1" in db.c.index_information()
r=db.c.bulk_write([pymongo.UpdateOne({"_id":1},{"$set":{"x":1}}),pymongo.DeleteOne({"_id":2}),pymongo.InsertOne({"_id":1000})])
assert (r.modified_count,r.deleted_count,r.inserted_count)==(1,1,1)
try: db.c.insert_one({"_id":1}); assert 0
except pymongo.errors.DuplicateKeyError: pass
with c.start_session() as s:
    s.with_transaction(lambda s: db.c.update_one({"_id":3},{"$inc":{"n":1}},session=s))
with db.c.watch() as st:
    db.c.insert_one({"_id":2000})
    assert next(st)["documentKey"]=={"_id":2000}
import gridfs
fs=gridfs.GridFS(db); i=fs.put(b"x"*600000); assert fs.get(i).length==600000
assert c.server_info()["version"].startswith("7.")
assert db.validate_collection("c")["valid"]
print("fine")
