-- Years beyond four digits, sets without an end, names of several parts, and the steps of aggregates.
create table bc(id int, d date, ts timestamp, tz timestamptz);
insert into bc values (1,'0044-03-15 BC','0044-03-15 12:00:00 BC','0044-03-15 12:00:00+00 BC'),
 (2,'2024-02-29','2024-02-29 23:59:59','2024-02-29 23:59:59+00'),
 (3,'0001-01-01 BC','0001-12-31 BC','0001-12-31 00:00:00+00 BC'),
 (4,'12345-06-07','12345-06-07','12345-06-07'),
 (5,'0987-01-02','0987-01-02','0987-01-02'),
 (6,'infinity','infinity','-infinity'),
 (7,null,null,null);
select id, to_char(d,'YYYY') from bc where id <> 6 order by id;
select id, to_char(ts,'YYYY-MM-DD') from bc where id <> 6 order by id;
select id, to_char(ts,'YYYY-MM-DD BC'), to_char(ts,'YYY YY Y'), to_char(ts, 'Y,YYY'), to_char(ts,'IYYY IYY IY I IW IDDD ID') from bc where id <> 6 order by id;
select id, to_char(ts,'FMYYYY'), to_char(ts,'YYYYMMDD HH24:MI:SS'), to_char(ts,'CC J Q WW DDD D') from bc where id <> 6 order by id;
select id, to_char(tz,'YYYY AD a.d. B.C.') from bc where id <> 6 order by id;
select id, to_char(ts,'YYYY') from bc where id = 6;
select id, extract(year from ts), date_part('century', ts), extract(isoyear from ts), extract(decade from ts), extract(millennium from ts) from bc where id <> 6 order by id;
select id, to_char(ts,'Mon Month DD Dy Day') from bc where id <> 6 order by id;
select id from bc where to_char(ts,'YYYY') = '0044';
select to_char(ts,'YYYY') as y, count(*) from bc where id <> 6 group by 1 order by 1;
select to_char(ts,'YYYYth'), to_char(ts,'YYTH') from bc where id < 6 order by id;
select e.x.y from (select 1 as x) e;
select e.x from bc;
select e.x.y.z from bc;
select bc.id.y from bc;
select bc.nope.y from bc;
select nope.id from bc;
select a.b.c from bc;
select public.bc.id from bc where id=1;
select public.nope.id from bc;
select bc.nope from bc;
select * from bc order by q.z;
select q.* from bc;
select a.b.* from bc;
update bc set id = q.z;
delete from bc where q.z = 1;
insert into bc select q.z from bc;
select (bc).nope from bc;
select (bc.id).nope from bc;
select generate_series(1, 2147483647) limit 2;
select count(*) from (select generate_series(1, 2147483647) limit 5) t;
select * from bc order by id limit (case when random() < 2 then null::bigint end);
select id from bc order by id limit (random()*0)::int + 2;
select id from bc order by id offset (random()*0)::int + 5;
select * from generate_series(1, 5) x limit 3 offset 3;
select generate_series(1,3), generate_series(1,2147483647) limit 5;
select * from generate_series(1, null) limit 3;
select * from generate_series(5,1,-1) limit 2;
select * from generate_series(1,5,0) limit 2;
select generate_series('2022-01-01 00:00'::timestamp, 'infinity'::timestamp, '1 month'::interval) limit 10;
select generate_series('2022-01-01 00:00'::timestamp, '-infinity'::timestamp, '-1 month'::interval) limit 3;
select x from generate_series(1,10) x where x > 5 limit 2;
select x from generate_series(1,10) x order by x desc limit 2;
SELECT float8_accum('{4,140,2900}'::float8[], 100);
SELECT float8_regr_accum('{4,140,2900,1290,83075,15050}'::float8[], 200, 100);
SELECT float8_combine('{3,60,200}'::float8[], '{0,0,0}'::float8[]);
SELECT float8_combine('{0,0,0}'::float8[], '{2,180,200}'::float8[]);
SELECT float8_combine('{3,60,200}'::float8[], '{2,180,200}'::float8[]);
SELECT float8_regr_combine('{3,60,200,750,20000,2000}'::float8[], '{0,0,0,0,0,0}'::float8[]);
SELECT float8_regr_combine('{0,0,0,0,0,0}'::float8[], '{2,180,200,740,57800,-3400}'::float8[]);
SELECT float8_regr_combine('{3,60,200,750,20000,2000}'::float8[], '{2,180,200,740,57800,-3400}'::float8[]);
SELECT float8_accum(null, 100);
SELECT booland_statefunc(NULL, NULL) IS NULL, booland_statefunc(TRUE, NULL) IS NULL, booland_statefunc(true,true), booland_statefunc(true,false);
SELECT boolor_statefunc(false, false), boolor_statefunc(TRUE, NULL) IS NULL, boolor_statefunc(true,false);
SELECT float8send('2.2250738585072014E-308'::float8), float8send(1), float4send(1.5), int2send(1::int2), int4send(-1), int8send(7), textsend('aé'), boolsend(true);
