-- Foreign keys of several columns, on themselves, twice on one table, deferred, of partitions.
CREATE TABLE pktable (ptest1 int, ptest2 int, ptest3 text, PRIMARY KEY(ptest1, ptest2));
CREATE TABLE f1 (ftest1 int DEFAULT -1, ftest2 int DEFAULT -2, ftest3 int, CONSTRAINT constrname FOREIGN KEY(ftest2, ftest1) REFERENCES pktable(ptest2, ptest1) ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);
INSERT INTO pktable VALUES (1,2,'a'),(1,3,'b'),(2,4,'c'),(3,6,'d'),(-1,-2,'dflt');
INSERT INTO f1 VALUES (1,2,4),(1,3,5),(2,4,8),(3,6,12),(NULL,NULL,0),(NULL,2,1);
INSERT INTO f1 VALUES (100,2,4);
DELETE FROM pktable WHERE ptest1=1 AND ptest2=2;
SELECT * FROM f1 ORDER BY 3;
UPDATE pktable SET ptest1=1 WHERE ptest2=4;
SELECT * FROM f1 ORDER BY 3;
UPDATE pktable SET ptest2=5 WHERE ptest2=3;
DELETE FROM pktable WHERE ptest1 = -1;
DELETE FROM pktable;
DROP TABLE f1;
-- mismatching
CREATE TABLE f2 (a int, b text, FOREIGN KEY (a, b) REFERENCES pktable);
CREATE TABLE f2 (a int, FOREIGN KEY (a) REFERENCES pktable);
CREATE TABLE f2 (a int, b int, FOREIGN KEY (a, b) REFERENCES pktable (ptest1, ptest3));
CREATE TABLE f2 (a int, b int, FOREIGN KEY (a, b, a) REFERENCES pktable (ptest1, ptest2, ptest1));
CREATE TABLE f2 (a inet, b int, FOREIGN KEY (a, b) REFERENCES pktable);
-- self composite
CREATE TABLE selfc (a int, b int, c int, d int, PRIMARY KEY (a, b), FOREIGN KEY (c, d) REFERENCES selfc ON UPDATE CASCADE);
INSERT INTO selfc VALUES (1,1,1,1),(2,2,1,1),(3,3,NULL,1),(4,4,9,9);
INSERT INTO selfc VALUES (1,1,1,1),(2,2,1,1),(3,3,NULL,1);
UPDATE selfc SET b = 5 WHERE a = 1;
SELECT * FROM selfc ORDER BY 1;
DELETE FROM selfc WHERE a = 1;
-- two keys on one table, one statement
CREATE TABLE users (id int PRIMARY KEY, name varchar NOT NULL);
INSERT INTO users VALUES (1, 'Jozko'),(2, 'Ferko'),(3, 'Samko');
CREATE TABLE tasks (id int PRIMARY KEY, owner int REFERENCES users ON UPDATE CASCADE ON DELETE SET NULL, worker int REFERENCES users ON UPDATE CASCADE ON DELETE SET NULL, checked_by int REFERENCES users ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO tasks VALUES (1,1,NULL,NULL),(2,2,2,NULL),(3,3,3,3);
UPDATE users SET id = 4 WHERE id = 3;
SELECT * FROM tasks ORDER BY 1;
DELETE FROM users WHERE id = 4;
SELECT * FROM tasks ORDER BY 1;
BEGIN;
UPDATE tasks SET id=id WHERE id=2;
DELETE FROM users WHERE id = 2;
SELECT * FROM tasks ORDER BY 1;
COMMIT;
-- self set null
CREATE TABLE selfref (a int PRIMARY KEY, b int, FOREIGN KEY (b) REFERENCES selfref (a) ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO selfref (a, b) VALUES (0, 0), (1, 1);
BEGIN;
UPDATE selfref SET a = 123 WHERE a = 0;
SELECT a, b FROM selfref ORDER BY 1;
UPDATE selfref SET a = 456 WHERE a = 123;
SELECT a, b FROM selfref ORDER BY 1;
COMMIT;
-- deferrable through alter
CREATE TABLE defp (f1 int PRIMARY KEY); INSERT INTO defp VALUES (0),(1);
CREATE TABLE defc (f1 int CHECK (true));
INSERT INTO defc VALUES (0),(0),(1);
ALTER TABLE defc ADD FOREIGN KEY (f1) REFERENCES defp ON DELETE CASCADE;
BEGIN; DELETE FROM defp WHERE f1 = 0; SELECT * FROM defc; ROLLBACK;
ALTER TABLE defc ALTER CONSTRAINT defc_f1_fkey DEFERRABLE INITIALLY DEFERRED;
BEGIN; DELETE FROM defp WHERE f1 = 0; SELECT * FROM defc; INSERT INTO defc VALUES (77); SELECT count(*) FROM defc; COMMIT;
-- savepoints and deferred checks
CREATE TABLE pks (id int PRIMARY KEY, other int); INSERT INTO pks VALUES (1,1),(2,2);
CREATE TABLE fks (id int PRIMARY KEY, fk int REFERENCES pks DEFERRABLE INITIALLY DEFERRED);
BEGIN; INSERT INTO fks VALUES (5, 99); SAVEPOINT a; UPDATE fks SET fk = 1; ROLLBACK TO a; COMMIT;
BEGIN; INSERT INTO fks VALUES (5, 99); SAVEPOINT a; UPDATE fks SET fk = 1; RELEASE a; COMMIT;
SELECT * FROM fks;
BEGIN; DELETE FROM pks WHERE id = 1; INSERT INTO pks VALUES (1, 5); COMMIT;
BEGIN; UPDATE pks SET id = 3 WHERE id = 1; COMMIT;
BEGIN; UPDATE pks SET id = 3 WHERE id = 1; UPDATE fks SET fk = 3; COMMIT;
BEGIN; UPDATE fks SET fk = 50; UPDATE fks SET fk = 51; SET CONSTRAINTS fks_fk_fkey IMMEDIATE; ROLLBACK;
SELECT * FROM fks;
-- partitioned
CREATE TABLE pt (id int PRIMARY KEY, k int) PARTITION BY RANGE (id);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (100);
CREATE TABLE pt2 PARTITION OF pt FOR VALUES FROM (100) TO (200);
CREATE TABLE fpt (a int REFERENCES pt ON DELETE CASCADE);
INSERT INTO pt VALUES (1,1),(101,1);
INSERT INTO fpt VALUES (1),(101);
INSERT INTO fpt VALUES (55);
DELETE FROM pt WHERE id = 1;
DELETE FROM pt2;
SELECT * FROM fpt;
CREATE TABLE ppt (id int, r int REFERENCES users) PARTITION BY LIST (id);
CREATE TABLE ppt1 PARTITION OF ppt FOR VALUES IN (1);
INSERT INTO ppt VALUES (1, 1);
INSERT INTO ppt VALUES (1, 11);
INSERT INTO ppt1 VALUES (1, 11);
DELETE FROM users WHERE id = 1;
-- generated and default columns
CREATE TABLE gg (a int, b int GENERATED ALWAYS AS (a + 1) STORED REFERENCES users);
INSERT INTO gg (a) VALUES (0); INSERT INTO gg (a) VALUES (7);
UPDATE gg SET a = 8;
-- numbers equal but not the same
CREATE TABLE np (x numeric(10,2) PRIMARY KEY); CREATE TABLE nc (x numeric REFERENCES np ON UPDATE CASCADE);
INSERT INTO np VALUES (1.5); INSERT INTO nc VALUES (1.500); UPDATE np SET x = 1.50; UPDATE np SET x = 2; SELECT * FROM nc;
-- views and rules over, CTAS, truncate cascade chains
TRUNCATE users;
TRUNCATE users CASCADE;
SELECT count(*) FROM tasks;
-- schema qualified
DROP TABLE users;
DROP TABLE users CASCADE;
DROP TABLE pktable, selfc;
DROP TABLE pks CASCADE;
DROP TABLE np, nc;
