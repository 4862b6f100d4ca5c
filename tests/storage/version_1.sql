BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE llmsearch_completions (
	study_key VARCHAR(32) NOT NULL, 
	trial_number INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	"row" INTEGER NOT NULL, 
	text JSON NOT NULL, 
	token_ids JSON NOT NULL, 
	finish_reason VARCHAR(16) NOT NULL, 
	score DOUBLE, 
	PRIMARY KEY (study_key, trial_number, position)
);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,1,1,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,3,6,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,1,1,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,3,6,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,4,9,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,6,13,'"\ufffdG~!"','[255, 41, 96, 3]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,7,2,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,4,9,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,6,13,'"\ufffdG~!"','[255, 41, 96, 3]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,7,2,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,8,18,'"buys\ufffd\u0621"','[386, 149, 151, 97]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,9,3,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,10,11,'"\ufffdG~she"','[255, 41, 96, 322]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,11,15,'"\ufffd\ufffd\tps"','[255, 133, 200, 316]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,8,18,'"buys\ufffd\u0621"','[386, 149, 151, 97]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,9,3,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,10,11,'"\ufffdG~she"','[255, 41, 96, 322]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,11,15,'"\ufffd\ufffd\tps"','[255, 133, 200, 316]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,12,12,'"\ufffdma"','[255, 310]','stop',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,13,7,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,14,0,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,15,14,'"\ufffdq\ufffd*"','[255, 83, 228, 12]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,12,12,'"\ufffdma"','[255, 310]','stop',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,13,7,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,14,0,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,15,14,'"\ufffdq\ufffd*"','[255, 83, 228, 12]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,0,16,'")rds"','[11, 321, 0]','stop',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,1,1,'"\ufffd"','[142, 0]','stop',0.0625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,2,10,'"\ufffdB\ufffd\ufffd"','[255, 36, 102, 178]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,3,6,'"J\ufffd1\u0007"','[44, 116, 19, 198]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,0,16,'")rds"','[11, 321, 0]','stop',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,1,1,'"\ufffd"','[142, 0]','stop',0.0625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,2,10,'"\ufffdB\ufffd\ufffd"','[255, 36, 102, 178]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,3,6,'"to\uf91a"','[323, 174, 100, 251]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,4,9,'"Z!\ufffd\ufffd"','[60, 3, 240, 123]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,7,2,'""','[0]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,4,9,'"Z!\ufffd\ufffd"','[60, 3, 240, 136]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,7,2,'"buys\ufffd o"','[386, 136, 358]','stop',0.4375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,8,18,'"buys if apples{"','[386, 329, 290, 93]','length',0.75);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,9,3,'"\u0000\ufffdIgree"','[191, 149, 43, 303]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,10,11,'"\ufffd\ufffd*"','[255, 167, 97, 12]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,11,15,'"\ufffd wordsC{"','[102, 371, 37, 93]','length',0.5625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,8,18,'"buys if apples{"','[386, 329, 290, 93]','length',0.75);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,9,3,'"\ufffd"','[142, 0]','stop',0.0625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,10,11,'"\ufffdG~"','[255, 41, 96, 221]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,11,15,'"\ufffd wordsC{"','[102, 371, 37, 93]','length',0.5625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,12,12,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,13,7,'"Z  text\ufffd"','[60, 223, 380, 127]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,14,0,'"\u0000ap\ufffdC"','[191, 271, 111, 37]','length',0.3125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,15,14,'"''\ufffd"','[9, 101, 312]','stop',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,12,12,'"\ufffdC\ufffd"','[111, 37, 166, 250]','length',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,13,7,'"Z\u0599\ufffd"','[60, 149, 250, 97]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,14,0,'"\u0000ap\ufffdm"','[191, 271, 255, 79]','length',0.3125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,15,14,'"''*\ufffdThe"','[9, 12, 117, 295]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,0,16,'""','[0]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,1,1,'"Z\ufffd\u001eU"','[60, 149, 221, 55]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,2,10,'"\ufffdF follA"','[111, 40, 353, 291]','stop',0.4375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,3,6,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',5,0,16,'"\ufffd5* fif"','[255, 23, 12, 347]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',5,1,1,'"Z\f\ufffd"','[60, 203, 178, 97]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',5,2,10,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',5,3,6,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,4,9,'"\u0007\ufffd*ps"','[198, 253, 12, 316]','length',0.3125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,6,13,'"\ufffdC jum"','[111, 37, 335, 223]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,7,2,'"Z\u0599"','[60, 149, 250, 80]','stop',0.125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,8,18,'"buys\ufffd\u0621"','[386, 149, 151, 97]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,9,3,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,10,11,'"\ufffdq d fifty"','[255, 83, 269, 382]','length',0.5);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,11,15,'"\ufffd\ufffd\tps"','[255, 133, 200, 316]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,0,16,'")rds"','[11, 321, 0]','stop',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,1,1,'"\ufffd"','[142, 0]','stop',0.0625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,2,10,'"Zowi"','[60, 350]','stop',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,3,6,'"J\ufffd1\u0007"','[44, 116, 19, 198]','length',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,0,16,'")rds"','[11, 321, 80]','stop',0.25);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,1,1,'"u\ufffdSummar wo"','[87, 102, 367, 330]','length',0.5625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,2,10,'"Z\u0019\ufffd\ufffd"','[60, 216, 97, 97]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,3,6,'"to\ufffd) d"','[323, 174, 11, 269]','length',0.375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,4,9,'"Z!\ufffd\ufffd"','[60, 3, 240, 123]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,5,4,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,7,2,'"buys hasrThe"','[386, 361, 84, 295]','length',0.625);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,4,9,'"Z!\ufffd\ufffd"','[60, 3, 240, 136]','length',0.1875);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,5,4,'"\ufffd~ wo"','[125, 391, 96, 330]','length',0.3125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,6,13,'"buysshe\ufffdSummarize"','[386, 322, 168, 387]','length',0.8125);
INSERT INTO "llmsearch_completions" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,7,2,'"A"','[291]','stop',0.0625);
CREATE TABLE llmsearch_held_out (
	study_key VARCHAR(32) NOT NULL, 
	finalist VARCHAR(32) NOT NULL, 
	seed BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	"row" INTEGER NOT NULL, 
	text JSON NOT NULL, 
	token_ids JSON NOT NULL, 
	finish_reason VARCHAR(16) NOT NULL, 
	score DOUBLE, 
	PRIMARY KEY (study_key, finalist, seed, position)
);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','2245b8b199ec088a',0,0,5,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',4197228260,0,5,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',724791910,0,5,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',4197228260,0,5,'""','[0]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',724791910,0,5,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','2245b8b199ec088a',0,1,8,'"\u059b"','[149, 252, 0]','stop',0.0625);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',4197228260,1,8,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',724791910,1,8,'"\ufffd\ufffd\ufffd"','[149, 148, 136, 0]','stop',0.0625);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',4197228260,1,8,'""','[27]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',724791910,1,8,'""','[0]','stop',0.0);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','2245b8b199ec088a',0,2,17,'"\ufffd d~c"','[255, 269, 96, 69]','length',0.3125);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',4197228260,2,17,'"\ufffdF follA"','[111, 40, 353, 291]','stop',0.4375);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',724791910,2,17,'"\ufffd~[ fifty"','[111, 96, 61, 382]','length',0.5);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',4197228260,2,17,'"\ufffdles quick"','[111, 267, 377, 0]','stop',0.625);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',724791910,2,17,'"\ufffd~\ufffd}"','[111, 96, 158, 95]','length',0.1875);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','2245b8b199ec088a',0,3,19,'"\ufffd buy"','[255, 357, 80]','stop',0.3125);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',4197228260,3,19,'"\ufffd\u001f\ufffdles"','[111, 222, 242, 267]','length',0.3125);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','c0a9be1f34c25a33',724791910,3,19,'"\ufffd buy\u0007\ufffd"','[255, 357, 198, 137]','length',0.375);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',4197228260,3,19,'"\ufffd\u001f she"','[111, 222, 340, 80]','stop',0.375);
INSERT INTO "llmsearch_held_out" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe','39b574fb778f4b3e',724791910,3,19,'"\ufffdisar\ufffd"','[255, 304, 296, 253]','length',0.3125);
CREATE TABLE llmsearch_samples (
	study_key VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	"row" INTEGER NOT NULL, 
	prompt JSON NOT NULL, 
	reference JSON NOT NULL, 
	PRIMARY KEY (study_key, position)
);
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',0,16,'"How many apples are 16?"','{"answer": "16"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',1,1,'"How many apples are 1?"','{"answer": "1"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',2,10,'"How many apples are 10?"','{"answer": "10"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',3,6,'"How many apples are 6?"','{"answer": "6"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',4,9,'"How many apples are 9?"','{"answer": "9"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',5,4,'"How many apples are 4?"','{"answer": "4"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',6,13,'"How many apples are 13?"','{"answer": "13"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',7,2,'"How many apples are 2?"','{"answer": "2"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',8,18,'"How many apples are 18?"','{"answer": "18"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',9,3,'"How many apples are 3?"','{"answer": "3"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',10,11,'"How many apples are 11?"','{"answer": "11"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',11,15,'"How many apples are 15?"','{"answer": "15"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',12,12,'"How many apples are 12?"','{"answer": "12"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',13,7,'"How many apples are 7?"','{"answer": "7"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',14,0,'"How many apples are 0?"','{"answer": "0"}');
INSERT INTO "llmsearch_samples" VALUES('0acedb2dbfdd996a4ce979a08a8fcafe',15,14,'"How many apples are 14?"','{"answer": "14"}');
CREATE TABLE llmsearch_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "llmsearch_schema" VALUES(1);
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'llmsearch');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'llmsearch_fingerprint','{"model": "6e078a304f9b1ff5", "prompts": "81bcaae2c45e41ac", "references": "94c3ac0c3eec17c7", "splits": "16 search, 4 hold-out", "sample order seed": "42", "metric": "version_1.letters#5668cc41", "output_preproc": "builtins.str.strip", "tokenizer_decode_args": "None", "stopping": "Stopping(eos_token_ids=(2,), strings=(''n'', ''9''), sequences=(), criteria=())", "seed": "42", "space": "SearchSpace(temperature=Float(low=0.3, high=2.0, log=False, step=None, when=None), top_k=Int(low=1, high=50, log=True, step=1, when=None), generation_seed=Categorical(choices=(0, 1), when=None), max_new_tokens=4)", "direction": "maximize"}');
INSERT INTO "study_user_attributes" VALUES(2,1,'llmsearch_key','"0acedb2dbfdd996a4ce979a08a8fcafe"');
INSERT INTO "study_user_attributes" VALUES(3,1,'llmsearch_concurrency','2');
INSERT INTO "study_user_attributes" VALUES(4,1,'llmsearch_verdict','{"sentence": "no gain shown: +0.04 [-0.14, 0.22] against `model default` on 4 held-out samples x 2 seeds; about 49 samples would be needed to show a difference as large as the one observed", "improved": false, "metric": "version_1.letters#5668cc41", "greater_is_better": true, "samples": 4, "seeds": 2, "held_out": true, "confidence": 0.95, "finalists": [{"name": "model default", "score": 0.171875, "seeds": 1, "seed_sd": null, "trial": 0, "search_score": 0.12109375, "params": {"do_sample": false, "generation_seed": 0, "max_new_tokens": 4}}, {"name": "best", "score": 0.2109375, "seeds": 2, "seed_sd": 0.019136638615493577, "trial": 3, "search_score": 0.265625, "params": {"temperature": 0.47237484790936124, "top_k": 9, "generation_seed": 0, "max_new_tokens": 4}}, {"name": "runner-up 1", "score": 0.1875, "seeds": 2, "seed_sd": 0.078125, "trial": 2, "search_score": 0.24609375, "params": {"temperature": 1.4101916747821555, "top_k": 6, "generation_seed": 0, "max_new_tokens": 4}}], "best": "best", "reference": "model default", "comparisons": [{"name": "best", "gain": 0.0390625, "low": -0.1385482439413358, "high": 0.2166732439413358, "seed_share": 0.10843373493975904, "samples_needed": 49}, {"name": "runner-up 1", "gain": 0.015625, "low": -0.12404350878877571, "high": 0.1552935087887757, "seed_share": 1.0, "samples_needed": 179}]}');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,4,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,2,4,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,1,8,0.0703125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,8,0.0703125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,1,12,1.30208333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,2,12,1.30208333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,1,16,0.12109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,2,16,0.12109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,3,4,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,4,0.15625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,3,8,0.1640625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,4,8,0.2109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,3,12,2.6041666666666668517e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,4,12,2.70833333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,3,16,0.24609375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,4,16,0.265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,5,4,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,6,4,0.140625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,5,8,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,5,12,0.21875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,7,4,0.203125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,8,4,0.34375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,7,8,0.2578125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,8,8,0.34375,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,3,'temperature',1.41019167478215545763e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,3,'top_k',6.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(3,3,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(4,4,'temperature',4.72374847909361239572e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(5,4,'top_k',9.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(6,4,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(7,5,'temperature',1.23970152697268920505e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,5,'top_k',2.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(9,5,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(10,6,'temperature',7.1872832375488227008e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,6,'top_k',15.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(12,6,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(13,7,'temperature',9.30616039932551375457e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(14,7,'top_k',7.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(15,7,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(16,8,'temperature',1.90318792135473557891e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(17,8,'top_k',21.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO "trial_params" VALUES(18,8,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{"temperature": 1.4101916747821555, "top_k": 6, "generation_seed": 0}');
INSERT INTO "trial_system_attributes" VALUES(4,4,'fixed_params','{"temperature": 0.47237484790936124, "top_k": 9, "generation_seed": 0}');
INSERT INTO "trial_system_attributes" VALUES(5,5,'fixed_params','{"temperature": 1.2397015269726892, "top_k": 2, "generation_seed": 1}');
INSERT INTO "trial_system_attributes" VALUES(6,6,'fixed_params','{"temperature": 0.7187283237548823, "top_k": 15, "generation_seed": 1}');
INSERT INTO "trial_system_attributes" VALUES(7,7,'fixed_params','{"temperature": 0.9306160399325514, "top_k": 7, "generation_seed": 0}');
INSERT INTO "trial_system_attributes" VALUES(8,8,'fixed_params','{"temperature": 1.9031879213547356, "top_k": 21, "generation_seed": 0}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'baseline','"model default"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(4,2,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(5,2,'baseline','"greedy"');
INSERT INTO "trial_user_attributes" VALUES(6,2,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(7,1,'round','0');
INSERT INTO "trial_user_attributes" VALUES(8,1,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(9,2,'round','0');
INSERT INTO "trial_user_attributes" VALUES(10,2,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 4}"');
INSERT INTO "trial_user_attributes" VALUES(11,1,'judged','12');
INSERT INTO "trial_user_attributes" VALUES(12,2,'judged','12');
INSERT INTO "trial_user_attributes" VALUES(13,1,'tokens','38');
INSERT INTO "trial_user_attributes" VALUES(14,1,'finish_reasons','{"length": 6, "stop": 10}');
INSERT INTO "trial_user_attributes" VALUES(15,2,'tokens','38');
INSERT INTO "trial_user_attributes" VALUES(16,2,'finish_reasons','{"length": 6, "stop": 10}');
INSERT INTO "trial_user_attributes" VALUES(17,3,'round','4');
INSERT INTO "trial_user_attributes" VALUES(18,3,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 4, \"temperature\": 1.4101916747821555, \"top_k\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(19,4,'round','4');
INSERT INTO "trial_user_attributes" VALUES(20,4,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 4, \"temperature\": 0.47237484790936124, \"top_k\": 9}"');
INSERT INTO "trial_user_attributes" VALUES(21,3,'judged','12');
INSERT INTO "trial_user_attributes" VALUES(22,4,'judged','12');
INSERT INTO "trial_user_attributes" VALUES(23,3,'tokens','50');
INSERT INTO "trial_user_attributes" VALUES(24,3,'finish_reasons','{"stop": 7, "length": 9}');
INSERT INTO "trial_user_attributes" VALUES(25,4,'tokens','54');
INSERT INTO "trial_user_attributes" VALUES(26,4,'finish_reasons','{"stop": 6, "length": 10}');
INSERT INTO "trial_user_attributes" VALUES(27,5,'round','8');
INSERT INTO "trial_user_attributes" VALUES(28,5,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 4, \"temperature\": 1.2397015269726892, \"top_k\": 2}"');
INSERT INTO "trial_user_attributes" VALUES(29,6,'round','8');
INSERT INTO "trial_user_attributes" VALUES(30,6,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 4, \"temperature\": 0.7187283237548823, \"top_k\": 15}"');
INSERT INTO "trial_user_attributes" VALUES(31,5,'judged','8');
INSERT INTO "trial_user_attributes" VALUES(32,6,'tokens','10');
INSERT INTO "trial_user_attributes" VALUES(33,6,'finish_reasons','{"length": 2, "stop": 2}');
INSERT INTO "trial_user_attributes" VALUES(34,5,'tokens','36');
INSERT INTO "trial_user_attributes" VALUES(35,5,'finish_reasons','{"stop": 6, "length": 6}');
INSERT INTO "trial_user_attributes" VALUES(36,7,'round','11');
INSERT INTO "trial_user_attributes" VALUES(37,7,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 4, \"temperature\": 0.9306160399325514, \"top_k\": 7}"');
INSERT INTO "trial_user_attributes" VALUES(38,8,'round','11');
INSERT INTO "trial_user_attributes" VALUES(39,8,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 4, \"temperature\": 1.9031879213547356, \"top_k\": 21}"');
INSERT INTO "trial_user_attributes" VALUES(40,7,'judged','8');
INSERT INTO "trial_user_attributes" VALUES(41,8,'judged','8');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.12109375,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.12109375,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,0.24609375,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,0.265625,'FINITE');
INSERT INTO "trial_values" VALUES(5,6,0,0.140625,'FINITE');
INSERT INTO "trial_values" VALUES(6,5,0,0.21875,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-25 00:29:22.048712','2026-11-25 00:29:22.552173');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-25 00:29:22.107625','2026-11-25 00:29:22.581314');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-25 00:29:22.625127','2026-11-25 00:29:23.000853');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-25 00:29:22.704647','2026-11-25 00:29:23.039694');
INSERT INTO "trials" VALUES(5,4,1,'PRUNED','2026-11-25 00:29:23.083522','2026-11-25 00:29:23.473080');
INSERT INTO "trials" VALUES(6,5,1,'PRUNED','2026-11-25 00:29:23.163858','2026-11-25 00:29:23.326073');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-25 00:29:23.943599',NULL);
INSERT INTO "trials" VALUES(8,7,1,'RUNNING','2026-11-25 00:29:24.036403',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
