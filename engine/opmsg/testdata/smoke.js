// What somebody does first in mongosh.
db = db.getSiblingDB("shell"); db.dropDatabase();
db.c.insertMany([{_id:1,a:1},{_id:2,a:2}]);
assertEq = (a,b)=>{ if (JSON.stringify(a)!==JSON.stringify(b)) throw new Error(JSON.stringify(a)+" != "+JSON.stringify(b)); };
assertEq(db.c.find({a:2}).toArray(), [{_id:2,a:2}]);
db.c.createIndex({a:1});
assertEq(db.c.getIndexes().length, 2);
db.createView("v","c",[{$match:{a:1}}]);
assertEq(db.getCollectionNames().filter(x=>x!="system.views"), ["c","v"]);
print(db.c.find({a:1}).explain().queryPlanner.winningPlan.stage);
print(db.c.stats().count, db.stats().collections, rs.status().ok, db.serverStatus().ok, db.hello().setName);
print(JSON.stringify(db.c.aggregate([{$group:{_id:null,s:{$sum:"$a"}}}]).toArray()));
s = db.getMongo().startSession(); s.startTransaction(); s.getDatabase("shell").c.insertOne({_id:3}); s.commitTransaction();
assertEq(db.c.countDocuments(), 3);
db.currentOp(); show = db.adminCommand({listDatabases:1}).databases.map(x=>x.name); print(show);
db.createUser({user:"u",pwd:"p",roles:["readWrite"]}); print(db.getUsers().users.length); db.auth("u","p"); db.dropUser("u");
db.runCommand({validate:"c"}); db.c.drop();
print("fine");
