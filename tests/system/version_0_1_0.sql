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
	token_count INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (study_key, trial_number, position)
);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102, 80]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,1,1,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102, 80]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,1,1,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,4,9,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,6,13,'"\ufffdG~!)G"','[255, 41, 96, 3, 11, 41]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,4,9,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,6,13,'"\ufffdG~!)G"','[255, 41, 96, 3, 11, 41]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,8,18,'"buys\ufffd\u0621shear"','[386, 149, 151, 97, 322, 296]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,9,21,'"\ufffd*if\ufffd*\ufffd"','[255, 12, 275, 101, 12, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,10,3,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,11,11,'"\ufffdG~shem\ufffd"','[255, 41, 96, 322, 79, 250]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,8,18,'"buys\ufffd\u0621shear"','[386, 149, 151, 97, 322, 296]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,9,21,'"\ufffd*if\ufffd*\ufffd"','[255, 12, 275, 101, 12, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,10,3,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,11,11,'"\ufffdG~shem\ufffd"','[255, 41, 96, 322, 79, 250]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,12,22,'"\ufffd\ufffd"','[255, 236, 388, 0]','stop',0.0625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,13,15,'"\ufffd\ufffd\tpsF do"','[255, 133, 200, 316, 40, 288]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,14,12,'"\ufffdma"','[255, 310]','stop',0.1875,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',0,15,7,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,12,22,'"\ufffd\ufffd"','[255, 236, 388, 0]','stop',0.0625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,13,15,'"\ufffd\ufffd\tpsF do"','[255, 133, 200, 316, 40, 288]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,14,12,'"\ufffdma"','[255, 310]','stop',0.1875,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',1,15,7,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,1,1,'"u\ufffdSummar\u0019The"','[87, 102, 367, 216, 295, 230]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,2,10,'"Z\u0019\ufffd\ufffd"','[60, 216, 97, 97, 80]','stop',0.1875,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,3,6,'"to\ufffd\u0004 tha"','[323, 174, 195, 363]','stop',0.4375,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,0,16,'"o"','[358]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,1,1,'"theHto\ufffd\ufffd"','[265, 42, 323, 97, 390, 156]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,2,10,'"\ufffdA"','[181, 291]','stop',0.125,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,3,6,'"\ufffd+"','[112, 13, 27]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,4,9,'"wo A"','[280, 331]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,5,4,'"\ufffd\ufffdA"','[125, 391, 251, 291]','stop',0.125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,6,13,'"buysshe\ufffdSumm"','[386, 322, 168, 387, 16, 146]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,7,2,'"she\ufffd do"','[322, 111, 288, 80]','stop',0.4375,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,4,9,'"\u0585weatazO$"','[149, 230, 326, 298, 49, 6]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,5,4,'"\ufffd\ufffd\ufffd texSumma"','[111, 146, 152, 343, 387, 332]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,6,13,'"W\ufffdGD\ufffd has"','[57, 148, 41, 38, 155, 361]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,7,2,'"C"','[37, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,8,18,'"buys if appl"','[386, 329, 290, 93, 148, 295]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,9,21,'"deepGH.Y ma"','[351, 41, 42, 16, 59, 337]','stop',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,8,18,'"ma"','[337]','stop',0.125,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,9,21,'"ex\u007fver\ufffd apuy"','[302, 224, 355, 147, 285, 325]','length',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,10,3,'"\ufffdt\u0016\u0001i"','[135, 86, 213, 192, 348]','stop',0.3125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,11,11,'"\ufffd text t\ufffd\ufffd q"','[238, 380, 259, 145, 146, 377]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,12,22,'"deep\ufffd\u0019ZpsI"','[351, 233, 216, 60, 316, 43]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,13,15,'"\ufffday\ufffd th\u0007\\"','[102, 297, 127, 287, 198, 62]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,14,12,'"\ufffd wordsatFSe"','[102, 371, 272, 40, 53, 261]','length',0.75,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',2,15,7,'"th4\uf85f"','[287, 22, 174, 97, 256, 203]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,12,22,'"rdso fi"','[321, 81, 346]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,13,15,'"\ufffd% She\u0003z\ufffd"','[168, 7, 332, 194, 92, 97]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,14,12,'"*\u0011 apples A"','[12, 208, 290, 331]','stop',0.5625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',3,15,7,'"lessKma"','[369, 45, 310]','stop',0.375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,0,16,'")iz i"','[11, 305, 284]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,1,1,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,2,10,'"\ufffdB\ufffd\ufffd"','[255, 36, 102, 178, 0]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,3,6,'"J\ufffd1\u0007;\ufffd"','[44, 116, 19, 198, 29, 152]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,0,16,'"\ufffd5W\ufffd$A"','[255, 23, 57, 233, 6, 291]','stop',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,1,1,'"theHto\ufffd~"','[265, 42, 323, 97, 390, 96]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,2,10,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,3,6,'"\ufffd+"','[112, 13, 27]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,4,9,'"Z!\ufffd"','[60, 3, 240, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,6,13,'"\ufffdq\ufffd.she!"','[255, 83, 228, 16, 322, 3]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,4,9,'"\u0585\u001a f\ufffd\ufffd"','[149, 230, 217, 262, 144, 186]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,5,4,'"\ufffd\ufffd\ufffd tex)\ufffd"','[111, 146, 152, 343, 11, 158]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,6,13,'"W\ufffdGD\ufffd has"','[57, 148, 41, 38, 155, 361]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,7,2,'"ex do\ufffd\ufffd{"','[302, 288, 97, 150, 1, 93]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,8,18,'"buys ifles\ufffdA"','[386, 329, 267, 97, 291]','stop',0.6875,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,9,21,'"\ufffd*\ufffd tex quic"','[255, 12, 121, 343, 377, 79]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,10,3,'"\u0000\ufffd\u02a1.!"','[191, 149, 137, 97, 16, 3]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',4,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,8,18,'"?\ufffdshe\ufffd\ufffdThe"','[33, 188, 322, 132, 178, 295]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,9,21,'"ex\ufffd\u34d9ma"','[302, 163, 162, 244, 250, 310]','stop',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,10,3,'"buys"','[386, 0]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,11,11,'"\ufffd"','[255, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,12,22,'"rdso fi"','[321, 81, 346]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,13,15,'"\ufffd% She\ufffd\ufffd\ufffd"','[168, 7, 332, 97, 127, 255]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,14,12,'"*[ apples A"','[12, 61, 290, 331]','stop',0.5625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',5,15,7,'"eeT A"','[266, 54, 372]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,1,1,'"u\ufffdSummar\u0019The"','[87, 102, 367, 216, 295, 230]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,2,10,'"Z\u0019\ufffd"','[60, 216, 97, 80]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,3,6,'"to\ufffd)pq\ufffd"','[323, 174, 11, 82, 83, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,4,9,'"wo A"','[280, 331]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,5,4,'"\ufffd\ufffd\u001cA"','[125, 184, 219, 291]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,7,2,'"shea she"','[322, 67, 340, 312]','stop',0.3125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,0,16,'""','[0]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,1,1,'"Zshe;\ufffd\ufffd."','[60, 322, 29, 255, 162, 16]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,2,10,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,8,18,'"buys ifles\ufffd "','[386, 329, 267, 112, 344, 208]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,9,21,'"deepGH.%\u0013"','[351, 41, 42, 16, 7, 210]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,4,9,'"\ufffdO!\ufffd\u0001"','[149, 49, 3, 395, 158, 192]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,6,13,'"W\ufffd]*toA"','[57, 233, 63, 12, 323, 291]','stop',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,7,2,'"Z\ufffd!mc quick"','[60, 149, 3, 79, 69, 377]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,12,22,'"deep\ufffd\u0019 fif q"','[351, 233, 216, 347, 377, 319]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,13,15,'"brow"','[356, 2]','eos',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,14,12,'"\ufffdC*\ufffdSes"','[111, 37, 12, 100, 53, 261]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',6,15,7,'"she wo;\ufffdThe "','[322, 330, 29, 171, 295, 382]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,8,18,'"buys ifF fol"','[386, 329, 40, 353, 11, 295]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,9,21,'"\ufffd*~Summar\u0003"','[255, 12, 390, 96, 367, 194]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,10,3,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',7,11,11,'"\ufffd\ufffd\ufffd7 f"','[255, 167, 97, 145, 25, 262]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,0,16,'"i"','[360]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,1,1,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,2,10,'"\u0000\u0019\ufffd\ufffd"','[191, 216, 159, 150, 80]','stop',0.1875,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,3,6,'"to\ufffd\u0004is\ufffd\ufffd"','[323, 174, 195, 304, 139, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,0,16,'"i"','[360]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,1,1,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,2,10,'"\u0000\u0019\ufffd\ufffd*\ufffd"','[191, 216, 97, 150, 12, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,3,6,'"to\ufffd\u0004is\ufffd\ufffd"','[323, 174, 195, 304, 139, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,4,9,'"ples A"','[276, 331]','stop',0.375,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,5,4,'"\ufffd\u0015wo"','[125, 391, 212, 280, 203, 27]','stop',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,6,13,'"; ap5ve$\ufffd"','[29, 285, 23, 279, 6, 134]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,7,2,'"she\ufffd gree\ufffdd"','[322, 167, 99, 333, 97, 70]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,4,9,'"ples A"','[276, 331]','stop',0.375,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,5,4,'"\ufffdeA"','[125, 391, 71, 291]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,6,13,'"; wo\ufffdve$\ufffd"','[29, 330, 238, 279, 6, 134]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,7,2,'"she\ufffd.Y\ufffd a"','[322, 167, 16, 59, 230, 283]','stop',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,8,18,'"plesize appl"','[276, 368, 290, 93, 118, 89]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,9,21,'"\ufffdowi"','[231, 350]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,10,3,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,8,18,'"plesize appl"','[276, 368, 290, 93, 168, 291]','stop',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,9,21,'"\ufffdowi"','[231, 350]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,10,3,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,12,22,'"\ufffd\ufffd weather\ufffd "','[109, 233, 379, 132, 281, 195]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,13,15,'"brow"','[356, 2]','eos',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,14,12,'"\ufffd\ufffdH ma"','[102, 119, 42, 337]','stop',0.3125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',8,15,7,'"thruat\ufffd A"','[287, 318, 272, 171, 372]','stop',0.5,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,12,22,'"\ufffd\ufffd weather\ufffd "','[109, 233, 379, 132, 281, 195]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,13,15,'"brow"','[356, 2]','eos',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,14,12,'"\ufffd\ufffdH ma"','[102, 119, 42, 337]','stop',0.3125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',9,15,7,'"thruat\ufffd A"','[287, 318, 272, 171, 372]','stop',0.5,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,0,16,'"o"','[358]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,1,1,'"Z\f\ufffd*\ufffd"','[60, 203, 178, 97, 12, 97]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,2,10,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,1,1,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,2,10,'"\ufffdB\ufffd\ufffd"','[255, 36, 102, 178, 0]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,3,6,'"to\ufffdC\ufffd\ufffd"','[323, 174, 100, 37, 139, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,4,9,'"\u0585\u001a f\ufffd"','[149, 230, 217, 262, 144, 27]','stop',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,5,4,'"\ufffd\ufffd\ufffd tex)\ufffd"','[111, 146, 152, 343, 11, 158]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,6,13,'"W\ufffd\ufffdDeep\u0007"','[57, 233, 248, 38, 349, 198]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,7,2,'"C"','[37, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,4,9,'"Z\ufffdO\ufffd*\ufffd"','[60, 149, 49, 97, 12, 152]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,7,2,'"buys\ufffd o"','[386, 136, 358]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,8,18,'"?\ufffdshear fore"','[33, 188, 322, 296, 354, 54]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,9,21,'"ex\ufffd\ufffd A"','[302, 153, 162, 372]','stop',0.3125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,10,3,'"\ufffd:"','[135, 28, 0]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',10,11,11,'"\ufffd"','[255, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,8,18,'"buys ifles\ufffd*"','[386, 329, 267, 97, 12, 363]','stop',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,9,21,'"deepGH."','[351, 41, 42, 16, 0]','stop',0.375,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',11,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,0,16,'"o"','[358]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,1,1,'"theHto\ufffd~"','[265, 42, 323, 97, 390, 96]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,2,10,'"\ufffdA"','[181, 291]','stop',0.125,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,3,6,'"\ufffd+"','[112, 13, 27]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,1,1,'"u\ufffdSummar\u0019The"','[87, 102, 367, 216, 295, 230]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,2,10,'"Z\u0019\ufffd\ufffd"','[60, 216, 97, 97, 80]','stop',0.1875,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,3,6,'"to\ufffd)pq\ufffd"','[323, 174, 11, 82, 83, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,4,9,'"\ufffd weatA*K"','[149, 223, 326, 35, 12, 45]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,5,4,'"\ufffd\ufffd\ufffd texSumma"','[111, 146, 152, 343, 387, 332]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,6,13,'"W\ufffdGD\ufffd has"','[57, 148, 41, 38, 155, 361]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,7,2,'"C"','[37, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,4,9,'"Z!\ufffd\ufffd ~"','[60, 3, 240, 136, 223, 96]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,5,4,'"\ufffd\ufffd\u001cA"','[125, 184, 219, 291]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,7,2,'"A"','[291]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,8,18,'"?\ufffdshe\ufffd,"','[33, 188, 322, 132, 14, 391]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,9,21,'"ex\u007fver\ufffd apuy"','[302, 224, 355, 147, 285, 325]','length',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,10,3,'"\ufffdt\u0016\u0001i"','[135, 86, 213, 192, 348]','stop',0.3125,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,11,11,'"\ufffd"','[255, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,8,18,'"buys if appl"','[386, 329, 290, 93, 233, 97]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,9,21,'"deepGH.%v"','[351, 41, 42, 16, 7, 88]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,12,22,'"rdso fi"','[321, 81, 346]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,13,15,'"\ufffd% She\ufffd\u03c8"','[168, 7, 332, 97, 142, 233]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,14,12,'"*[ apples A"','[12, 61, 290, 331]','stop',0.5625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',12,15,7,'"lessKma"','[369, 45, 310]','stop',0.375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,12,22,'"\ufffd\ufffd\u0019 fif b"','[255, 147, 216, 347, 395, 281]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,13,15,'"\ufffd wordsC{um\ufffd"','[102, 371, 37, 93, 278, 174]','length',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,14,12,'"\ufffdC"','[111, 37, 27]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',13,15,7,'"she wo;\ufffd*."','[322, 330, 29, 171, 12, 16]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,0,16,'")iz i"','[11, 305, 284]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,1,1,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,2,10,'"\ufffdB\ufffd\ufffd* tha"','[255, 36, 102, 178, 12, 363]','stop',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,3,6,'"J\ufffd1\u0007;\ufffd"','[44, 116, 19, 198, 29, 152]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,0,16,'")rds"','[11, 321, 80]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,1,1,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,2,10,'"\u0000oday\ufffdveS"','[191, 389, 315, 150, 279, 53]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,3,6,'"to\ufffd\u0004is\ufffd\ufffd"','[323, 174, 195, 304, 139, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,4,9,'"Z!\ufffd\ufffd!"','[60, 3, 240, 123, 3, 80]','stop',0.1875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,6,13,'"\ufffdq\ufffd.she!"','[255, 83, 228, 16, 322, 3]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,7,2,'")S\ufffd\ufffd4"','[11, 53, 126, 174, 22, 0]','stop',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,4,9,'"ples gree\ufffd\ufffd "','[276, 333, 145, 136, 223, 96]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,5,4,'"\ufffd- laz\f\ufffd"','[125, 391, 15, 336, 203, 127]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,6,13,'"; wo\ufffdve$\ufffd"','[29, 330, 238, 279, 6, 134]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,7,2,'"she\ufffd do7\ufffdQ"','[322, 111, 288, 25, 230, 51]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,8,18,'"buys if appl"','[386, 329, 290, 93, 233, 97]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,9,21,'"\ufffd*\ufffd tex\ufffdO"','[255, 12, 121, 343, 178, 49]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,10,3,'"\u0000\ufffdIgree\u061c"','[191, 149, 43, 303, 151, 253]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,8,18,'"plesize appl"','[276, 368, 290, 93, 118, 89]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,9,21,'"\ufffdowi"','[231, 350]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,12,22,'"\ufffd\ufffdplesA"','[255, 118, 276, 291]','stop',0.375,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,13,15,'"\ufffd wordsC{\ufffd\ufffd"','[102, 371, 37, 93, 230, 152]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,14,12,'"\ufffdC\ufffd."','[111, 37, 166, 250, 16, 0]','stop',0.1875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',14,15,7,'"Z  text\ufffd\ufffdps"','[60, 223, 380, 232, 97, 316]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,12,22,'"\ufffd\ufffd weather\ufffd."','[109, 233, 379, 132, 16, 253]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,13,15,'"brow"','[356, 2]','eos',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,14,12,'"\ufffdG/\ufffd\ufffd"','[102, 41, 391, 17, 240, 170]','length',0.1875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',15,15,7,'"th gree\ufffd if "','[287, 333, 152, 329, 372]','stop',0.5625,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,0,16,'")eat\ufffd less\ufffd"','[11, 273, 184, 369, 395, 253]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,1,1,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,3,6,'"J\ufffd*"','[44, 116, 12, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,1,1,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,2,10,'"\ufffdG\ufffd*"','[255, 41, 391, 150, 12, 312]','stop',0.1875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,3,6,'"to\ufffdC\ufffd\ufffd"','[323, 174, 100, 37, 139, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,4,9,'"\u0007p\ufffd fores wo"','[198, 82, 101, 354, 330, 29]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,6,13,'"\ufffdG~!)G"','[255, 41, 96, 3, 11, 41]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,4,9,'"\u0007powi"','[198, 82, 350]','stop',0.3125,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,6,13,'"\ufffdG~!)\ufffd"','[255, 41, 96, 3, 11, 149]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,7,2,'"buys\ufffd o"','[386, 136, 358]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,8,18,'"buys\ufffd\u0621she"','[386, 149, 151, 97, 322, 0]','stop',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,9,21,'"\ufffd*if\ufffdWc"','[255, 12, 275, 101, 57, 69]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,10,3,'"\u0000The\ufffd. if\ufffd"','[191, 295, 97, 16, 329, 250]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,8,18,'"buys ifles\ufffd*"','[386, 329, 267, 97, 12, 363]','stop',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,9,21,'"deepGH.\ufffdm"','[351, 41, 42, 16, 178, 79]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',17,11,11,'"\ufffdG~\u001eCa"','[255, 41, 96, 221, 37, 67]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,12,22,'"\ufffd\ufffd"','[255, 236, 388, 0]','stop',0.0625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,13,15,'"\ufffd today t\ufffd"','[255, 344, 259, 178, 80]','stop',0.4375,5);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,14,12,'"\ufffdC\ufffdc\ufffd["','[111, 37, 166, 69, 251, 61]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',16,15,7,'"Z\u0599\ufffd*."','[60, 149, 250, 97, 12, 16]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,0,16,'"\ufffd\u0007\u0001psu\ufffd"','[167, 198, 192, 316, 87, 235]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,1,1,'"theHto\ufffd~"','[265, 42, 323, 97, 390, 96]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,2,10,'"ru jumps two"','[318, 374, 396, 342, 12, 262]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,3,6,'"A"','[372]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,4,9,'"\u0585\u001a f\ufffd\ufffd"','[149, 230, 217, 262, 144, 186]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,5,4,'"\ufffd\ufffd\ufffd texSumma"','[111, 146, 152, 343, 387, 27]','stop',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,6,13,'"W\ufffdGD\ufffd gree"','[57, 148, 41, 38, 155, 373]','stop',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,7,2,'"ex do\ufffd\ufffd{"','[302, 288, 97, 150, 1, 93]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,1,1,'"u\ufffdSummar\u0019The"','[87, 102, 367, 216, 295, 230]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,2,10,'"Z\u0019\ufffd"','[60, 216, 97, 80]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,3,6,'"to\ufffd)pq\ufffd"','[323, 174, 11, 82, 83, 148]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,8,18,'"?\ufffd\ufffdveT"','[33, 112, 229, 279, 391, 54]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,9,21,'"ex\ufffd\u34d9ma"','[302, 163, 162, 244, 250, 310]','stop',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,10,3,'"buys"','[386, 0]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,11,11,'"\ufffd"','[255, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,4,9,'"Z!\ufffd\ufffduy fi"','[60, 3, 240, 136, 325, 346]','stop',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,5,4,'"\ufffd\ufffd\u001cA"','[125, 184, 219, 291]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,6,13,'"buysshea"','[386, 322, 263]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,7,2,'"shea she"','[322, 67, 340, 312]','stop',0.3125,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,12,22,'"rdso fi"','[321, 81, 346]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,13,15,'"\ufffd% She\u0003z\ufffd"','[168, 7, 332, 194, 92, 97]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,14,12,'"*[ apples A"','[12, 61, 290, 331]','stop',0.5625,4);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',18,15,7,'"eeT A"','[266, 54, 372]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,8,18,'"buys ifles.\ufffd"','[386, 329, 267, 16, 126, 82]','length',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,9,21,'"deepGH.%v"','[351, 41, 42, 16, 7, 88]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,12,22,'"deep\ufffd\u0019 fif q"','[351, 233, 216, 347, 377, 319]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,13,15,'"\ufffday\ufffdmSum~"','[102, 297, 127, 79, 294, 96]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,14,12,'"\ufffdC*\ufffd foll\ufffd"','[111, 37, 12, 100, 353, 236]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('5342b7aafb72921c3d975511639716bb',19,15,7,'"she wo;\ufffdThe "','[322, 330, 29, 171, 295, 382]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102, 80]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,1,1,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,0,16,'"\ufffd!\ufffd\ufffd"','[149, 3, 120, 102, 80]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,1,1,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,2,10,'"\ufffdG~"','[255, 41, 96, 0]','stop',0.1875,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,3,6,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,4,9,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,6,13,'"\ufffdG~!)G"','[255, 41, 96, 3, 11, 41]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,4,9,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,5,4,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,6,13,'"\ufffdG~!)G"','[255, 41, 96, 3, 11, 41]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,7,2,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,8,18,'"buys\ufffd\u0621shear"','[386, 149, 151, 97, 322, 296]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,9,21,'"\ufffd*if\ufffd*\ufffd"','[255, 12, 275, 101, 12, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,10,3,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,11,11,'"\ufffdG~shem\ufffd"','[255, 41, 96, 322, 79, 250]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,8,18,'"buys\ufffd\u0621shear"','[386, 149, 151, 97, 322, 296]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,9,21,'"\ufffd*if\ufffd*\ufffd"','[255, 12, 275, 101, 12, 148]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,10,3,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,11,11,'"\ufffdG~shem\ufffd"','[255, 41, 96, 322, 79, 250]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,12,22,'"\ufffd\ufffd"','[255, 236, 388, 0]','stop',0.0625,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,13,15,'"\ufffd\ufffd\tpsF do"','[255, 133, 200, 316, 40, 288]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,14,12,'"\ufffdma"','[255, 310]','stop',0.1875,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',0,15,7,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,12,22,'"\ufffd\ufffd"','[255, 236, 388, 0]','stop',0.0625,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,13,15,'"\ufffd\ufffd\tpsF do"','[255, 133, 200, 316, 40, 288]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,14,12,'"\ufffdma"','[255, 310]','stop',0.1875,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',1,15,7,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,0,16,'")rds"','[11, 321, 0]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,1,1,'"u\ufffdSummar\u0019The"','[87, 102, 367, 216, 295, 230]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,2,10,'"Z\u0019\ufffd\ufffd"','[60, 216, 97, 97, 80]','stop',0.1875,5);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,3,6,'"to\ufffd\u0004 tha"','[323, 174, 195, 363]','stop',0.4375,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,0,16,'"o"','[358]','stop',0.0625,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,1,1,'"theHto\ufffd\ufffd"','[265, 42, 323, 97, 390, 156]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,2,10,'"\ufffdA"','[181, 291]','stop',0.125,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,3,6,'"\ufffd+"','[112, 13, 27]','stop',0.125,3);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,4,9,'"wo A"','[280, 331]','stop',0.25,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,5,4,'"\ufffd\ufffdA"','[125, 391, 251, 291]','stop',0.125,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,6,13,'"buysshe\ufffdSumm"','[386, 322, 168, 387, 16, 146]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,7,2,'"she\ufffd do"','[322, 111, 288, 80]','stop',0.4375,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,4,9,'"\u0585weatazO$"','[149, 230, 326, 298, 49, 6]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,5,4,'"\ufffd\ufffd\ufffd texSumma"','[111, 146, 152, 343, 387, 332]','length',0.5625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,6,13,'"W\ufffdGD\ufffd has"','[57, 148, 41, 38, 155, 361]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,7,2,'"C"','[37, 27]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,8,18,'"buys if appl"','[386, 329, 290, 93, 148, 295]','length',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,9,21,'"deepGH.Y ma"','[351, 41, 42, 16, 59, 337]','stop',0.625,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,10,3,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,11,11,'"tha"','[363]','stop',0.1875,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,8,18,'"ma"','[337]','stop',0.125,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,9,21,'"ex\u007fver\ufffd apuy"','[302, 224, 355, 147, 285, 325]','length',0.6875,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,10,3,'"\ufffdt\u0016\u0001i"','[135, 86, 213, 192, 348]','stop',0.3125,5);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,11,11,'"\ufffd text t\ufffd\ufffd q"','[238, 380, 259, 145, 146, 377]','length',0.375,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,12,22,'"deep\ufffd\u0019ZpsI"','[351, 233, 216, 60, 316, 43]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,13,15,'"\ufffday\ufffd th\u0007\\"','[102, 297, 127, 287, 198, 62]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,14,12,'"\ufffd wordsatFSe"','[102, 371, 272, 40, 53, 261]','length',0.75,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',2,15,7,'"th4\uf85f"','[287, 22, 174, 97, 256, 203]','length',0.25,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,12,22,'"rdso fi"','[321, 81, 346]','stop',0.4375,3);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,13,15,'"\ufffd% She\u0003z\ufffd"','[168, 7, 332, 194, 92, 97]','length',0.5,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,14,12,'"*\u0011 apples A"','[12, 208, 290, 331]','stop',0.5625,4);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',3,15,7,'"lessKma"','[369, 45, 310]','stop',0.375,3);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',4,0,16,'")iz i"','[11, 305, 284]','stop',0.25,3);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',4,1,1,'"\ufffd"','[142, 0]','stop',0.0625,2);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',4,2,10,'"\ufffdB\ufffd\ufffd"','[255, 36, 102, 178, 0]','stop',0.125,5);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',4,3,6,'"J\ufffd1\u0007;\ufffd"','[44, 116, 19, 198, 29, 152]','length',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',5,0,16,'"\ufffd5W\ufffd$A"','[255, 23, 57, 233, 6, 291]','stop',0.3125,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',5,1,1,'"theHto\ufffd~"','[265, 42, 323, 97, 390, 96]','length',0.4375,6);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',5,2,10,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_completions" VALUES('4a42b606ac5a9b605b61f385248bb275',5,3,6,'"\ufffd+"','[112, 13, 27]','stop',0.125,3);
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
	token_count INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (study_key, finalist, seed, position)
);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,0,0,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,0,0,'"I\ufffdC fores fi"','[43, 111, 37, 354, 381]','stop',0.625,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,0,0,'"\ufffd\ufffd\ufffd\r\ufffd"','[111, 128, 97, 390, 204, 178]','length',0.125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,0,0,'"I\ufffdC foresD\\"','[43, 111, 37, 354, 38, 62]','length',0.6875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,0,0,'"\ufffd\ufffd\ufffd*"','[111, 128, 97, 12, 0]','stop',0.125,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,0,0,'"I\ufffd`\bples app"','[43, 107, 66, 199, 276, 290]','length',0.625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,0,0,'"\ufffd\ufffd dFaThe"','[111, 128, 269, 40, 67, 295]','length',0.5,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,1,14,'"\ufffdq\ufffd*)"','[255, 83, 228, 12, 11, 0]','stop',0.25,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,1,14,'"\ufffd\u0003\ufffdrA"','[112, 194, 98, 84, 291]','stop',0.25,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,1,14,'"''\ufffd\u0001\ufffd d fifty"','[9, 101, 192, 102, 269, 382]','length',0.5625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,1,14,'"\ufffd\u001f\ufffd\ufffd tha"','[111, 222, 148, 139, 363]','stop',0.375,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,1,14,'"''\ufffd\u0001\ufffd d fifty"','[9, 101, 192, 102, 269, 382]','length',0.5625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,1,14,'""','[0]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,1,14,'"\u0125\u0001\ufffdr4"','[131, 101, 192, 164, 84, 22]','length',0.3125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,2,5,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,2,5,'"wo"','[280, 0]','stop',0.125,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,2,5,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,2,5,'"wo"','[280, 0]','stop',0.125,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,2,5,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,2,5,'"wow[\u0007\u05db"','[280, 89, 61, 198, 150, 252]','length',0.3125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,2,5,'""','[27]','stop',0.0,1);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,3,8,'"\u059b"','[149, 252, 0]','stop',0.0625,3);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,3,8,'"7"','[25, 313]','stop',0.0625,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,3,8,'"\ufffd\ufffdUF\ufffd\ufffd"','[112, 174, 55, 40, 230, 152]','length',0.1875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,3,8,'"DThe"','[38, 295, 80]','stop',0.25,3);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,3,8,'"\ufffd\ufffdUF\ufffd\ufffd"','[112, 174, 55, 40, 230, 152]','length',0.1875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,3,8,'"7"','[25, 313]','stop',0.0625,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,3,8,'"Summarck\u001fap\ufffd"','[367, 299, 222, 271, 112, 152]','length',0.625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,4,20,'"\ufffdma"','[255, 310]','stop',0.1875,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,4,20,'"ex A"','[302, 331]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,4,20,'"she\ufffd\u0007 d\ufffdap"','[340, 136, 198, 269, 107, 271]','length',0.5625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,4,20,'"ex A"','[302, 331]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,4,20,'"she\ufffd[ lazG f"','[340, 97, 61, 336, 41, 352]','length',0.6875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,4,20,'"ex A"','[302, 331]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,4,20,'"she.\ufffd"','[340, 16, 233, 80]','stop',0.3125,4);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,5,23,'"W\ufffd\ufffd\u0007 less\ufffd"','[57, 233, 178, 198, 369, 172]','length',0.4375,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,5,23,'"W\ufffd far\ufffd!"','[57, 250, 262, 296, 157, 3]','length',0.4375,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,5,23,'") ru"','[11, 378]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,5,23,'"W\ufffd fSumF\ufffd"','[57, 250, 262, 294, 40, 174]','length',0.5,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,5,23,'") ru"','[11, 378]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,5,23,'"W\ufffd fB\ufffd\ufffd"','[57, 250, 262, 36, 238, 112]','length',0.3125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,5,23,'") ru"','[11, 378]','stop',0.25,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,6,17,'"\ufffd d~c fif\ufffd"','[255, 269, 96, 69, 347, 99]','length',0.4375,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,6,17,'"\ufffdow\u04edA"','[111, 268, 146, 258, 291]','stop',0.3125,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,6,17,'"\ufffd~\u07c3D\ufffd"','[111, 96, 158, 228, 38, 176]','length',0.25,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,6,17,'"\ufffdow\u04edA"','[111, 268, 146, 258, 291]','stop',0.3125,5);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,6,17,'"\ufffd~\u001b\ufffd texowi"','[111, 96, 218, 162, 343, 350]','stop',0.625,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,6,17,'"\ufffdjto\ufffd\u0002\ufffd"','[111, 76, 323, 142, 193, 151]','length',0.3125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,6,17,'"\ufffd~\ufffdjum\ufffd"','[111, 96, 178, 124, 307, 176]','length',0.3125,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','54b3783ba0ad6bbf',0,7,19,'"\ufffd buy"','[255, 357, 80]','stop',0.3125,3);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',4197228260,7,19,'"\ufffd foll{*she^"','[111, 353, 93, 12, 322, 64]','length',0.6875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','b6e4bd793301d1ed',724791910,7,19,'"\ufffd\ufffd;\ufffd\u0007\ufffd"','[255, 97, 29, 178, 198, 102]','length',0.1875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',4197228260,7,19,'"\ufffd foll{*she^"','[111, 353, 93, 12, 322, 64]','length',0.6875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','d973af0a3a63b296',724791910,7,19,'"\ufffd\ufffd;\ufffd\u0007\ufffd"','[255, 97, 29, 178, 198, 102]','length',0.1875,6);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',4197228260,7,19,'",A"','[14, 291]','stop',0.125,2);
INSERT INTO "llmsearch_held_out" VALUES('5342b7aafb72921c3d975511639716bb','000d1a002d8bd0dc',724791910,7,19,'"\ufffd\ufffd;\ufffd\u0007\ufffd"','[255, 258, 29, 178, 198, 102]','length',0.1875,6);
CREATE TABLE llmsearch_latest_rung (
	study_key VARCHAR(32) NOT NULL, 
	trial_number INTEGER NOT NULL, 
	PRIMARY KEY (study_key)
);
INSERT INTO "llmsearch_latest_rung" VALUES('5342b7aafb72921c3d975511639716bb',19);
INSERT INTO "llmsearch_latest_rung" VALUES('4a42b606ac5a9b605b61f385248bb275',5);
CREATE TABLE llmsearch_leases (
	study_key VARCHAR(32) NOT NULL, 
	trial_number INTEGER NOT NULL, 
	worker VARCHAR(32) NOT NULL, 
	renewed DATETIME NOT NULL, 
	PRIMARY KEY (study_key, trial_number)
);
CREATE TABLE llmsearch_samples (
	study_key VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	"row" INTEGER NOT NULL, 
	prompt JSON NOT NULL, 
	reference JSON NOT NULL, 
	PRIMARY KEY (study_key, position)
);
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',0,16,'"How many apples are 16?"','{"answer": "16"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',1,1,'"How many apples are 1?"','{"answer": "1"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',2,10,'"How many apples are 10?"','{"answer": "10"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',3,6,'"How many apples are 6?"','{"answer": "6"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',4,9,'"How many apples are 9?"','{"answer": "9"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',5,4,'"How many apples are 4?"','{"answer": "4"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',6,13,'"How many apples are 13?"','{"answer": "13"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',7,2,'"How many apples are 2?"','{"answer": "2"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',8,18,'"How many apples are 18?"','{"answer": "18"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',9,21,'"How many apples are 21?"','{"answer": "21"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',10,3,'"How many apples are 3?"','{"answer": "3"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',11,11,'"How many apples are 11?"','{"answer": "11"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',12,22,'"How many apples are 22?"','{"answer": "22"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',13,15,'"How many apples are 15?"','{"answer": "15"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',14,12,'"How many apples are 12?"','{"answer": "12"}');
INSERT INTO "llmsearch_samples" VALUES('5342b7aafb72921c3d975511639716bb',15,7,'"How many apples are 7?"','{"answer": "7"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',0,16,'"How many apples are 16?"','{"answer": "16"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',1,1,'"How many apples are 1?"','{"answer": "1"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',2,10,'"How many apples are 10?"','{"answer": "10"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',3,6,'"How many apples are 6?"','{"answer": "6"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',4,9,'"How many apples are 9?"','{"answer": "9"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',5,4,'"How many apples are 4?"','{"answer": "4"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',6,13,'"How many apples are 13?"','{"answer": "13"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',7,2,'"How many apples are 2?"','{"answer": "2"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',8,18,'"How many apples are 18?"','{"answer": "18"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',9,21,'"How many apples are 21?"','{"answer": "21"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',10,3,'"How many apples are 3?"','{"answer": "3"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',11,11,'"How many apples are 11?"','{"answer": "11"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',12,22,'"How many apples are 22?"','{"answer": "22"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',13,15,'"How many apples are 15?"','{"answer": "15"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',14,12,'"How many apples are 12?"','{"answer": "12"}');
INSERT INTO "llmsearch_samples" VALUES('4a42b606ac5a9b605b61f385248bb275',15,7,'"How many apples are 7?"','{"answer": "7"}');
CREATE TABLE llmsearch_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "llmsearch_schema" VALUES(2);
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'finished');
INSERT INTO "studies" VALUES(2,'interrupted');
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
INSERT INTO "study_directions" VALUES(2,'MAXIMIZE',2,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'dashboard:1:note_str:0','"## Trial 0 (model default): 0.1680 \\[0.055, 0.281\\]\n\n|  |  |\n| --- | --- |\n| parameters | greedy max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 52 (3.2 per completion) |\n| ended by | length 5, stop 11 |\n\n### Worst: score 0\n\nrow 1, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n1\n```\n\n### Lower quartile: score 0\n\nrow 2, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n2\n```\n\n### Median: score 0.125\n\nrow 16, 5 tokens, ended by stop\n\n```text\n\ufffd!\ufffd\ufffd\n```\n\nreference\n\n```text\n16\n```\n\n### Upper quartile: score 0.25\n\nrow 21, 6 tokens, ended by length\n\n```text\n\ufffd*if\ufffd*\ufffd\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys\ufffd\u0621shear\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(2,1,'dashboard:1:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(3,1,'dashboard:2:note_str:0','"## Trial 1 (greedy): 0.1680 \\[0.055, 0.281\\]\n\n|  |  |\n| --- | --- |\n| parameters | greedy max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 52 (3.2 per completion) |\n| ended by | length 5, stop 11 |\n\n### Worst: score 0\n\nrow 1, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n1\n```\n\n### Lower quartile: score 0\n\nrow 2, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n2\n```\n\n### Median: score 0.125\n\nrow 16, 5 tokens, ended by stop\n\n```text\n\ufffd!\ufffd\ufffd\n```\n\nreference\n\n```text\n16\n```\n\n### Upper quartile: score 0.25\n\nrow 21, 6 tokens, ended by length\n\n```text\n\ufffd*if\ufffd*\ufffd\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys\ufffd\u0621shear\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(4,1,'dashboard:2:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(5,1,'dashboard:3:note_str:0','"## Trial 2: 0.3984 \\[0.286, 0.511\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.9 min\\_p\\=0\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 73 (4.6 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 3, 2 tokens, ended by stop\n\n```text\n\ufffd\n```\n\nreference\n\n```text\n3\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)rds\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.4375\n\nrow 2, 4 tokens, ended by stop\n\n```text\nshe\ufffd do\n```\n\nreference\n\n```text\n2\n```\n\n### Upper quartile: score 0.5625\n\nrow 13, 6 tokens, ended by length\n\n```text\nbuysshe\ufffdSumm\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.75\n\nrow 12, 6 tokens, ended by length\n\n```text\n\ufffd wordsatFSe\n```\n\nreference\n\n```text\n12\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(6,1,'dashboard:3:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(7,1,'dashboard:4:note_str:0','"## Trial 3: 0.3555 \\[0.249, 0.462\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.41 top\\_k\\=0 top\\_p\\=0\\.629 repetition\\_penalty\\=1\\.3 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 66 (4.1 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 16, 1 tokens, ended by stop\n\n```text\no\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0.125\n\nrow 18, 1 tokens, ended by stop\n\n```text\nma\n```\n\nreference\n\n```text\n18\n```\n\n### Median: score 0.375\n\nrow 7, 3 tokens, ended by stop\n\n```text\nlessKma\n```\n\nreference\n\n```text\n7\n```\n\n### Upper quartile: score 0.5\n\nrow 13, 6 tokens, ended by length\n\n```text\nW\ufffdGD\ufffd has\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.6875\n\nrow 21, 6 tokens, ended by length\n\n```text\nex\\x7fver\ufffd apuy\n```\n\nreference\n\n```text\n21\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(8,1,'dashboard:4:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(9,1,'dashboard:5:note_str:0','"## Trial 4: 0.2812 \\[0.135, 0.427\\], pruned\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.472 top\\_k\\=5 repetition\\_penalty\\=1\\.3 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 12 |\n| tokens | 51 (4.2 per completion) |\n| ended by | length 5, stop 7 |\n\n### Worst: score 0\n\nrow 4, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n4\n```\n\n### Lower quartile: score 0.125\n\nrow 10, 5 tokens, ended by stop\n\n```text\n\ufffdB\ufffd\ufffd\n```\n\nreference\n\n```text\n10\n```\n\n### Median: score 0.3125\n\nrow 6, 6 tokens, ended by length\n\n```text\nJ\ufffd1\\x07;\ufffd\n```\n\nreference\n\n```text\n6\n```\n\n### Upper quartile: score 0.375\n\nrow 11, 6 tokens, ended by length\n\n```text\n\ufffdG~\\x1eCa\n```\n\nreference\n\n```text\n11\n```\n\n### Best: score 0.6875\n\nrow 18, 5 tokens, ended by stop\n\n```text\nbuys ifles\ufffdA\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(10,1,'dashboard:5:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(11,1,'dashboard:6:note_str:0','"## Trial 5: 0.3242 \\[0.241, 0.408\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.24 top\\_k\\=50 repetition\\_penalty\\=1 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 72 (4.5 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0\n\nrow 10, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n10\n```\n\n### Lower quartile: score 0.25\n\nrow 7, 3 tokens, ended by stop\n\n```text\neeT A\n```\n\nreference\n\n```text\n7\n```\n\n### Median: score 0.375\n\nrow 18, 6 tokens, ended by length\n\n```text\n?\ufffdshe\ufffd\ufffdThe\n```\n\nreference\n\n```text\n18\n```\n\n### Upper quartile: score 0.4375\n\nrow 1, 6 tokens, ended by length\n\n```text\ntheHto\ufffd~\n```\n\nreference\n\n```text\n1\n```\n\n### Best: score 0.5625\n\nrow 12, 4 tokens, ended by stop\n\n```text\n*[ apples A\n```\n\nreference\n\n```text\n12\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(12,1,'dashboard:6:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(13,1,'dashboard:7:note_str:0','"## Trial 6: 0.3594 \\[0.266, 0.453\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.719 top\\_k\\=50 repetition\\_penalty\\=1\\.5 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 67 (4.2 per completion) |\n| ended by | eos 1, length 7, stop 8 |\n\n### Worst: score 0.0625\n\nrow 3, 2 tokens, ended by stop\n\n```text\n\ufffd\n```\n\nreference\n\n```text\n3\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)rds\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.375\n\nrow 6, 6 tokens, ended by length\n\n```text\nto\ufffd)pq\ufffd\n```\n\nreference\n\n```text\n6\n```\n\n### Upper quartile: score 0.5\n\nrow 21, 6 tokens, ended by length\n\n```text\ndeepGH.%\\x13\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys ifles\ufffd \n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(14,1,'dashboard:7:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(15,1,'dashboard:8:note_str:0','"## Trial 7: 0.2656 \\[0.089, 0.442\\], pruned\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.931 top\\_k\\=5 repetition\\_penalty\\=1\\.5 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 12 |\n| tokens | 47 (3.9 per completion) |\n| ended by | length 6, stop 6 |\n\n### Worst: score 0\n\nrow 16, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0\n\nrow 4, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n4\n```\n\n### Median: score 0.25\n\nrow 11, 6 tokens, ended by length\n\n```text\n\ufffd\ufffd\ufffd7 f\n```\n\nreference\n\n```text\n11\n```\n\n### Upper quartile: score 0.4375\n\nrow 13, 6 tokens, ended by stop\n\n```text\nW\ufffd]*toA\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys ifF fol\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(16,1,'dashboard:8:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(17,1,'dashboard:9:note_str:0','"## Trial 8: 0.3242 \\[0.243, 0.405\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.9 top\\_k\\=0 top\\_p\\=0\\.714 repetition\\_penalty\\=1\\.4 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 60 (3.8 per completion) |\n| ended by | eos 1, length 5, stop 10 |\n\n### Worst: score 0.0625\n\nrow 16, 1 tokens, ended by stop\n\n```text\ni\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0.1875\n\nrow 11, 1 tokens, ended by stop\n\n```text\ntha\n```\n\nreference\n\n```text\n11\n```\n\n### Median: score 0.3125\n\nrow 12, 4 tokens, ended by stop\n\n```text\n\ufffd\ufffdH ma\n```\n\nreference\n\n```text\n12\n```\n\n### Upper quartile: score 0.5\n\nrow 2, 6 tokens, ended by length\n\n```text\nshe\ufffd gree\ufffdd\n```\n\nreference\n\n```text\n2\n```\n\n### Best: score 0.5625\n\nrow 13, 6 tokens, ended by length\n\n```text\n; ap5ve$\ufffd\n```\n\nreference\n\n```text\n13\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(18,1,'dashboard:9:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(19,1,'dashboard:10:note_str:0','"## Trial 9: 0.3203 \\[0.243, 0.398\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.1 top\\_k\\=0 top\\_p\\=0\\.941 repetition\\_penalty\\=1\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 59 (3.7 per completion) |\n| ended by | eos 1, length 4, stop 11 |\n\n### Worst: score 0.0625\n\nrow 16, 1 tokens, ended by stop\n\n```text\ni\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0.1875\n\nrow 11, 1 tokens, ended by stop\n\n```text\ntha\n```\n\nreference\n\n```text\n11\n```\n\n### Median: score 0.3125\n\nrow 12, 4 tokens, ended by stop\n\n```text\n\ufffd\ufffdH ma\n```\n\nreference\n\n```text\n12\n```\n\n### Upper quartile: score 0.5\n\nrow 13, 6 tokens, ended by length\n\n```text\n; wo\ufffdve$\ufffd\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.5\n\nrow 7, 5 tokens, ended by stop\n\n```text\nthruat\ufffd A\n```\n\nreference\n\n```text\n7\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(20,1,'dashboard:10:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(21,1,'dashboard:11:note_str:0','"## Trial 10: 0.2135 \\[0.089, 0.338\\], pruned\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.637 top\\_k\\=0 top\\_p\\=0\\.992 repetition\\_penalty\\=1 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 12 |\n| tokens | 44 (3.7 per completion) |\n| ended by | length 4, stop 8 |\n\n### Worst: score 0\n\nrow 10, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n10\n```\n\n### Lower quartile: score 0.0625\n\nrow 2, 2 tokens, ended by stop\n\n```text\nC\n```\n\nreference\n\n```text\n2\n```\n\n### Median: score 0.25\n\nrow 1, 6 tokens, ended by length\n\n```text\nZ\\x0c\ufffd*\ufffd\n```\n\nreference\n\n```text\n1\n```\n\n### Upper quartile: score 0.3125\n\nrow 21, 4 tokens, ended by stop\n\n```text\nex\ufffd\ufffd A\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\n?\ufffdshear fore\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(22,1,'dashboard:11:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(23,1,'dashboard:12:note_str:0','"## Trial 11: 0.2760 \\[0.149, 0.403\\], pruned\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.459 top\\_k\\=0 top\\_p\\=0\\.807 repetition\\_penalty\\=1\\.4 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 12 |\n| tokens | 48 (4.0 per completion) |\n| ended by | length 3, stop 9 |\n\n### Worst: score 0\n\nrow 4, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n4\n```\n\n### Lower quartile: score 0.125\n\nrow 10, 5 tokens, ended by stop\n\n```text\n\ufffdB\ufffd\ufffd\n```\n\nreference\n\n```text\n10\n```\n\n### Median: score 0.25\n\nrow 9, 6 tokens, ended by length\n\n```text\nZ\ufffdO\ufffd*\ufffd\n```\n\nreference\n\n```text\n9\n```\n\n### Upper quartile: score 0.375\n\nrow 11, 6 tokens, ended by length\n\n```text\n\ufffdG~\\x1eCa\n```\n\nreference\n\n```text\n11\n```\n\n### Best: score 0.6875\n\nrow 18, 6 tokens, ended by stop\n\n```text\nbuys ifles\ufffd*\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(24,1,'dashboard:12:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(25,1,'dashboard:13:note_str:0','"## Trial 12: 0.3555 \\[0.245, 0.466\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.24 top\\_k\\=0 top\\_p\\=0\\.718 repetition\\_penalty\\=1 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 67 (4.2 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 16, 1 tokens, ended by stop\n\n```text\no\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0.125\n\nrow 6, 3 tokens, ended by stop\n\n```text\n\ufffd+\n```\n\nreference\n\n```text\n6\n```\n\n### Median: score 0.4375\n\nrow 1, 6 tokens, ended by length\n\n```text\ntheHto\ufffd~\n```\n\nreference\n\n```text\n1\n```\n\n### Upper quartile: score 0.5\n\nrow 13, 6 tokens, ended by length\n\n```text\nW\ufffdGD\ufffd has\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.6875\n\nrow 21, 6 tokens, ended by length\n\n```text\nex\\x7fver\ufffd apuy\n```\n\nreference\n\n```text\n21\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(26,1,'dashboard:13:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(27,1,'dashboard:14:note_str:0','"## Trial 13: 0.3633 \\[0.252, 0.474\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.678 top\\_k\\=0 top\\_p\\=0\\.661 repetition\\_penalty\\=1\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 75 (4.7 per completion) |\n| ended by | length 9, stop 7 |\n\n### Worst: score 0.0625\n\nrow 2, 1 tokens, ended by stop\n\n```text\nA\n```\n\nreference\n\n```text\n2\n```\n\n### Lower quartile: score 0.1875\n\nrow 4, 4 tokens, ended by stop\n\n```text\n\ufffd\ufffd\\x1cA\n```\n\nreference\n\n```text\n4\n```\n\n### Median: score 0.375\n\nrow 11, 6 tokens, ended by length\n\n```text\n\ufffdG~\\x1eCa\n```\n\nreference\n\n```text\n11\n```\n\n### Upper quartile: score 0.5\n\nrow 21, 6 tokens, ended by length\n\n```text\ndeepGH.%v\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.6875\n\nrow 15, 6 tokens, ended by length\n\n```text\n\ufffd wordsC{um\ufffd\n```\n\nreference\n\n```text\n15\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(28,1,'dashboard:14:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(29,1,'dashboard:15:note_str:0','"## Trial 14: 0.3398 \\[0.246, 0.433\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.765 top\\_k\\=5 repetition\\_penalty\\=1\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 82 (5.1 per completion) |\n| ended by | length 8, stop 8 |\n\n### Worst: score 0\n\nrow 4, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n4\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)iz i\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.375\n\nrow 22, 4 tokens, ended by stop\n\n```text\n\ufffd\ufffdplesA\n```\n\nreference\n\n```text\n22\n```\n\n### Upper quartile: score 0.4375\n\nrow 21, 6 tokens, ended by length\n\n```text\n\ufffd*\ufffd tex\ufffdO\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys if appl\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(30,1,'dashboard:15:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(31,1,'dashboard:16:note_str:0','"## Trial 15: 0.3711 \\[0.280, 0.462\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.4 top\\_k\\=0 top\\_p\\=0\\.678 repetition\\_penalty\\=1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 70 (4.4 per completion) |\n| ended by | eos 1, length 9, stop 6 |\n\n### Worst: score 0.0625\n\nrow 3, 2 tokens, ended by stop\n\n```text\n\ufffd\n```\n\nreference\n\n```text\n3\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)rds\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.4375\n\nrow 4, 6 tokens, ended by length\n\n```text\n\ufffd- laz\\x0c\ufffd\n```\n\nreference\n\n```text\n4\n```\n\n### Upper quartile: score 0.5\n\nrow 18, 6 tokens, ended by length\n\n```text\nplesize appl\n```\n\nreference\n\n```text\n18\n```\n\n### Best: score 0.5625\n\nrow 7, 5 tokens, ended by stop\n\n```text\nth gree\ufffd if \n```\n\nreference\n\n```text\n7\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(32,1,'dashboard:16:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(33,1,'dashboard:18:note_str:0','"## Trial 17: 0.2865 \\[0.159, 0.414\\], pruned\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.362 top\\_k\\=50 repetition\\_penalty\\=1\\.3 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 12 |\n| tokens | 50 (4.2 per completion) |\n| ended by | length 4, stop 8 |\n\n### Worst: score 0\n\nrow 4, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n4\n```\n\n### Lower quartile: score 0.1875\n\nrow 10, 6 tokens, ended by stop\n\n```text\n\ufffdG\ufffd*\n```\n\nreference\n\n```text\n10\n```\n\n### Median: score 0.3125\n\nrow 9, 3 tokens, ended by stop\n\n```text\n\\x07powi\n```\n\nreference\n\n```text\n9\n```\n\n### Upper quartile: score 0.375\n\nrow 11, 6 tokens, ended by length\n\n```text\n\ufffdG~\\x1eCa\n```\n\nreference\n\n```text\n11\n```\n\n### Best: score 0.6875\n\nrow 18, 6 tokens, ended by stop\n\n```text\nbuys ifles\ufffd*\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(34,1,'dashboard:18:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(35,1,'dashboard:17:note_str:0','"## Trial 16: 0.2930 \\[0.181, 0.405\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.341 top\\_k\\=0 top\\_p\\=0\\.512 repetition\\_penalty\\=1\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 74 (4.6 per completion) |\n| ended by | length 8, stop 8 |\n\n### Worst: score 0\n\nrow 1, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n1\n```\n\n### Lower quartile: score 0.1875\n\nrow 10, 4 tokens, ended by stop\n\n```text\n\ufffdG~\n```\n\nreference\n\n```text\n10\n```\n\n### Median: score 0.3125\n\nrow 7, 6 tokens, ended by length\n\n```text\nZ\u0599\ufffd*.\n```\n\nreference\n\n```text\n7\n```\n\n### Upper quartile: score 0.4375\n\nrow 15, 5 tokens, ended by stop\n\n```text\n\ufffd today t\ufffd\n```\n\nreference\n\n```text\n15\n```\n\n### Best: score 0.625\n\nrow 9, 6 tokens, ended by length\n\n```text\n\\x07p\ufffd fores wo\n```\n\nreference\n\n```text\n9\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(36,1,'dashboard:17:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(37,1,'dashboard:19:note_str:0','"## Trial 18: 0.3789 \\[0.291, 0.467\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.82 top\\_k\\=50 repetition\\_penalty\\=1\\.3 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 75 (4.7 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 6, 1 tokens, ended by stop\n\n```text\nA\n```\n\nreference\n\n```text\n6\n```\n\n### Lower quartile: score 0.3125\n\nrow 9, 6 tokens, ended by length\n\n```text\n\u0585\\x1a f\ufffd\ufffd\n```\n\nreference\n\n```text\n9\n```\n\n### Median: score 0.4375\n\nrow 1, 6 tokens, ended by length\n\n```text\ntheHto\ufffd~\n```\n\nreference\n\n```text\n1\n```\n\n### Upper quartile: score 0.5\n\nrow 13, 6 tokens, ended by stop\n\n```text\nW\ufffdGD\ufffd gree\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.625\n\nrow 10, 6 tokens, ended by length\n\n```text\nru jumps two\n```\n\nreference\n\n```text\n10\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(38,1,'dashboard:19:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(39,1,'dashboard:20:note_str:0','"## Trial 19: 0.3945 \\[0.298, 0.491\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.727 top\\_k\\=0 top\\_p\\=0\\.678 repetition\\_penalty\\=1\\.5 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 75 (4.7 per completion) |\n| ended by | length 8, stop 8 |\n\n### Worst: score 0.0625\n\nrow 3, 2 tokens, ended by stop\n\n```text\n\ufffd\n```\n\nreference\n\n```text\n3\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)rds\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.4375\n\nrow 15, 6 tokens, ended by length\n\n```text\n\ufffday\ufffdmSum~\n```\n\nreference\n\n```text\n15\n```\n\n### Upper quartile: score 0.5\n\nrow 21, 6 tokens, ended by length\n\n```text\ndeepGH.%v\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.6875\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys ifles.\ufffd\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(40,1,'dashboard:20:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(41,1,'dashboard:note_str:0','"## no gain shown\\: \\+0\\.09 \\[\\-0\\.09\\, 0\\.28\\] against \\`model default\\` on 8 held\\-out samples x 2 seeds\\; about 37 samples would be needed to show a difference as large as the one observed\n\nfrom one generation\\_seed to another\\, the score of \\`best\\` varies by 0\\.077 \\(standard deviation\\)\\; seeds make up 84 \\% of the variance of the gain\\, samples the rest\n\nScores on 8 held-out samples (version\\_0\\_1\\_0\\.letters\\#5668cc41):\n\n|  | score | trial | gain [95 % interval] |\n| --- | --- | --- | --- |\n| model default | 0.2109 | 0 | reference |\n| best | 0.3047 | 2 | \\+0\\.09 \\[\\-0\\.09\\, 0\\.28\\] |\n| runner\\-up 1 | 0.3633 | 19 | \\+0\\.15 \\[\\-0\\.01\\, 0\\.32\\] |\n| runner\\-up 2 | 0.2812 | 18 | \\+0\\.07 \\[\\-0\\.21\\, 0\\.35\\] |\n\nScores on the search split:\n\n|  | score | trial | parameters |\n| --- | --- | --- | --- |\n| model default | 0.1680 | 0 | greedy max\\_new\\_tokens\\=6 |\n| greedy | 0.1680 | 1 | greedy max\\_new\\_tokens\\=6 |\n| best | 0.3984 | 2 | temperature\\=0\\.9 min\\_p\\=0\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(42,1,'dashboard:note_ver','2');
INSERT INTO "study_system_attributes" VALUES(43,2,'dashboard:21:note_str:0','"## Trial 0 (model default): 0.1680 \\[0.055, 0.281\\]\n\n|  |  |\n| --- | --- |\n| parameters | greedy max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 52 (3.2 per completion) |\n| ended by | length 5, stop 11 |\n\n### Worst: score 0\n\nrow 1, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n1\n```\n\n### Lower quartile: score 0\n\nrow 2, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n2\n```\n\n### Median: score 0.125\n\nrow 16, 5 tokens, ended by stop\n\n```text\n\ufffd!\ufffd\ufffd\n```\n\nreference\n\n```text\n16\n```\n\n### Upper quartile: score 0.25\n\nrow 21, 6 tokens, ended by length\n\n```text\n\ufffd*if\ufffd*\ufffd\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys\ufffd\u0621shear\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(44,2,'dashboard:21:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(45,2,'dashboard:22:note_str:0','"## Trial 1 (greedy): 0.1680 \\[0.055, 0.281\\]\n\n|  |  |\n| --- | --- |\n| parameters | greedy max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 52 (3.2 per completion) |\n| ended by | length 5, stop 11 |\n\n### Worst: score 0\n\nrow 1, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n1\n```\n\n### Lower quartile: score 0\n\nrow 2, 1 tokens, ended by stop\n\n```text\n\n```\n\nreference\n\n```text\n2\n```\n\n### Median: score 0.125\n\nrow 16, 5 tokens, ended by stop\n\n```text\n\ufffd!\ufffd\ufffd\n```\n\nreference\n\n```text\n16\n```\n\n### Upper quartile: score 0.25\n\nrow 21, 6 tokens, ended by length\n\n```text\n\ufffd*if\ufffd*\ufffd\n```\n\nreference\n\n```text\n21\n```\n\n### Best: score 0.625\n\nrow 18, 6 tokens, ended by length\n\n```text\nbuys\ufffd\u0621shear\n```\n\nreference\n\n```text\n18\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(46,2,'dashboard:22:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(47,2,'dashboard:23:note_str:0','"## Trial 2: 0.3984 \\[0.286, 0.511\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=0\\.9 min\\_p\\=0\\.1 generation\\_seed\\=0 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 73 (4.6 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 3, 2 tokens, ended by stop\n\n```text\n\ufffd\n```\n\nreference\n\n```text\n3\n```\n\n### Lower quartile: score 0.25\n\nrow 16, 3 tokens, ended by stop\n\n```text\n)rds\n```\n\nreference\n\n```text\n16\n```\n\n### Median: score 0.4375\n\nrow 2, 4 tokens, ended by stop\n\n```text\nshe\ufffd do\n```\n\nreference\n\n```text\n2\n```\n\n### Upper quartile: score 0.5625\n\nrow 13, 6 tokens, ended by length\n\n```text\nbuysshe\ufffdSumm\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.75\n\nrow 12, 6 tokens, ended by length\n\n```text\n\ufffd wordsatFSe\n```\n\nreference\n\n```text\n12\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(48,2,'dashboard:23:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(49,2,'dashboard:24:note_str:0','"## Trial 3: 0.3555 \\[0.249, 0.462\\]\n\n|  |  |\n| --- | --- |\n| parameters | temperature\\=1\\.41 top\\_k\\=0 top\\_p\\=0\\.629 repetition\\_penalty\\=1\\.3 generation\\_seed\\=1 max\\_new\\_tokens\\=6 |\n| samples | 16 |\n| tokens | 66 (4.1 per completion) |\n| ended by | length 7, stop 9 |\n\n### Worst: score 0.0625\n\nrow 16, 1 tokens, ended by stop\n\n```text\no\n```\n\nreference\n\n```text\n16\n```\n\n### Lower quartile: score 0.125\n\nrow 18, 1 tokens, ended by stop\n\n```text\nma\n```\n\nreference\n\n```text\n18\n```\n\n### Median: score 0.375\n\nrow 7, 3 tokens, ended by stop\n\n```text\nlessKma\n```\n\nreference\n\n```text\n7\n```\n\n### Upper quartile: score 0.5\n\nrow 13, 6 tokens, ended by length\n\n```text\nW\ufffdGD\ufffd has\n```\n\nreference\n\n```text\n13\n```\n\n### Best: score 0.6875\n\nrow 21, 6 tokens, ended by length\n\n```text\nex\\x7fver\ufffd apuy\n```\n\nreference\n\n```text\n21\n```\n\n*Written by llmsearch_optuna. Delete this line to keep words of your own.*"');
INSERT INTO "study_system_attributes" VALUES(50,2,'dashboard:24:note_ver','1');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'llmsearch_fingerprint','{"model": "6e078a304f9b1ff5", "prompts": "d571e6f19e2c398d", "references": "4487d338a4f63997", "splits": "16 search, 8 hold-out", "sample order seed": "42", "hold-out stratified by": "parity", "metric": "version_0_1_0.letters#5668cc41", "output_preproc": "version_0_1_0.shortened#ed547f51", "tokenizer_decode_args": "{''skip_special_tokens'': True}", "stopping": "Stopping(eos_token_ids=(2,), strings=(''n'', ''9''), sequences=(), criteria=())", "seed": "42", "space": "SearchSpace(temperature=Float(low=0.3, high=2.0, log=False, step=None, when=None), top_p=Float(low=0.5, high=1.0, log=False, step=None, when={''top_k'': (0,)}), top_k=Categorical(choices=(0, 5, 50), when=None), repetition_penalty=Float(low=1.0, high=1.5, log=False, step=0.1, when=None), generation_seed=Categorical(choices=(0, 1), when=None), max_new_tokens=6)", "direction": "maximize"}');
INSERT INTO "study_user_attributes" VALUES(2,1,'llmsearch_key','"5342b7aafb72921c3d975511639716bb"');
INSERT INTO "study_user_attributes" VALUES(3,1,'llmsearch_environment','{"llmsearch_optuna": "0.1.0", "torch": "2.13.0+cpu", "transformers": "5.23.0", "device": "cpu with AVX2 and 1 threads"}');
INSERT INTO "study_user_attributes" VALUES(4,1,'llmsearch_study_file','{"text": "[model]\nname = \"tiny\"\n[data]\npath = \"rows.jsonl\"\ninput_cols = [\"question\"]\neval_cols = [\"answer\"]\n[metric]\nname = \"exact_match\"\n[space]\ntemperature = { low = 0.3, high = 2.0 }\n", "directory": "."}');
INSERT INTO "study_user_attributes" VALUES(5,1,'llmsearch_concurrency','2');
INSERT INTO "study_user_attributes" VALUES(6,1,'llmsearch_verdict','{"sentence": "no gain shown: +0.09 [-0.09, 0.28] against `model default` on 8 held-out samples x 2 seeds; about 37 samples would be needed to show a difference as large as the one observed", "improved": false, "metric": "version_0_1_0.letters#5668cc41", "greater_is_better": true, "samples": 8, "seeds": 2, "held_out": true, "confidence": 0.95, "finalists": [{"name": "model default", "score": 0.2109375, "seeds": 1, "seed_sd": null, "tokens": null, "trial": 0, "search_score": 0.16796875, "params": {"do_sample": false, "generation_seed": 0, "max_new_tokens": 6}}, {"name": "best", "score": 0.3046875, "seeds": 2, "seed_sd": 0.07733980419227864, "tokens": null, "trial": 2, "search_score": 0.3984375, "params": {"temperature": 0.9, "min_p": 0.1, "generation_seed": 0, "max_new_tokens": 6}}, {"name": "runner-up 1", "score": 0.36328125, "seeds": 2, "seed_sd": 0.08717153751727108, "tokens": null, "trial": 19, "search_score": 0.39453125, "params": {"temperature": 0.7273614302306375, "top_k": 0, "top_p": 0.6775884152429548, "repetition_penalty": 1.5, "generation_seed": 0, "max_new_tokens": 6}}, {"name": "runner-up 2", "score": 0.28125, "seeds": 2, "seed_sd": 0.06489549892904746, "tokens": null, "trial": 18, "search_score": 0.37890625, "params": {"temperature": 1.8161933514721504, "top_k": 50, "repetition_penalty": 1.3, "generation_seed": 1, "max_new_tokens": 6}}], "best": "best", "reference": "model default", "comparisons": [{"name": "best", "gain": 0.09375, "low": -0.0920669977526343, "high": 0.27956699775263427, "seed_share": 0.8406862745098039, "samples_needed": 37}, {"name": "runner-up 1", "gain": 0.15234375, "low": -0.011638989308268344, "high": 0.31632648930826834, "seed_share": 1.0, "samples_needed": 13}, {"name": "runner-up 2", "gain": 0.0703125, "low": -0.21278129270571666, "high": 0.35340629270571666, "seed_share": 0.2550158394931362, "samples_needed": 143}], "savings": []}');
INSERT INTO "study_user_attributes" VALUES(7,2,'llmsearch_fingerprint','{"model": "6e078a304f9b1ff5", "prompts": "d571e6f19e2c398d", "references": "4487d338a4f63997", "splits": "16 search, 8 hold-out", "sample order seed": "42", "hold-out stratified by": "parity", "metric": "version_0_1_0.letters#5668cc41", "output_preproc": "version_0_1_0.shortened#ed547f51", "tokenizer_decode_args": "{''skip_special_tokens'': True}", "stopping": "Stopping(eos_token_ids=(2,), strings=(''n'', ''9''), sequences=(), criteria=())", "seed": "42", "space": "SearchSpace(temperature=Float(low=0.3, high=2.0, log=False, step=None, when=None), top_p=Float(low=0.5, high=1.0, log=False, step=None, when={''top_k'': (0,)}), top_k=Categorical(choices=(0, 5, 50), when=None), repetition_penalty=Float(low=1.0, high=1.5, log=False, step=0.1, when=None), generation_seed=Categorical(choices=(0, 1), when=None), max_new_tokens=6)", "direction": "maximize"}');
INSERT INTO "study_user_attributes" VALUES(8,2,'llmsearch_key','"4a42b606ac5a9b605b61f385248bb275"');
INSERT INTO "study_user_attributes" VALUES(9,2,'llmsearch_environment','{"llmsearch_optuna": "0.1.0", "torch": "2.13.0+cpu", "transformers": "5.23.0", "device": "cpu with AVX2 and 1 threads"}');
INSERT INTO "study_user_attributes" VALUES(10,2,'llmsearch_study_file','{"text": "[model]\nname = \"tiny\"\n[data]\npath = \"rows.jsonl\"\ninput_cols = [\"question\"]\neval_cols = [\"answer\"]\n[metric]\nname = \"exact_match\"\n[space]\ntemperature = { low = 0.3, high = 2.0 }\n", "directory": "."}');
INSERT INTO "study_user_attributes" VALUES(11,2,'llmsearch_concurrency','2');
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
INSERT INTO "trial_intermediate_values" VALUES(3,1,8,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,8,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,1,12,1.61458333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,2,12,1.61458333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,1,16,0.16796875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,2,16,0.16796875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,3,4,0.375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,4,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,3,8,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,4,8,0.2890625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,3,12,3.64583333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,4,12,3.17708333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,3,16,0.3984375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,4,16,0.35546875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,5,4,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,6,4,0.21875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,5,8,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,6,8,0.3125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,5,12,0.28125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,6,12,0.296875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,6,16,0.32421875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,7,4,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(25,7,8,0.328125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(26,8,4,0.109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(27,7,12,3.33333333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(28,8,8,0.21875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(29,7,16,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(30,8,12,0.265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(31,9,4,0.203125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(32,10,4,0.21875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(33,9,8,0.3125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(34,10,8,0.3046875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(35,9,12,3.02083333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(36,10,12,0.296875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(37,9,16,0.32421875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(38,10,16,0.3203125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(39,11,4,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(40,12,4,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(41,11,8,0.1796875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(42,12,8,0.2265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(43,11,12,2.13541666666666657414e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(44,12,12,2.7604166666666668517e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(45,13,4,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(46,14,4,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(47,13,8,0.3046875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(48,14,8,0.3046875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(49,13,12,3.2291666666666668517e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(50,14,12,3.33333333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(51,13,16,0.35546875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(52,14,16,0.36328125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(53,15,4,0.265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(54,16,4,0.34375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(55,15,8,0.2421875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(56,16,8,0.421875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(57,15,12,3.17708333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(58,16,12,3.64583333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(59,15,16,0.33984375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(60,16,16,0.37109375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(61,17,4,0.21875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(62,18,4,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(63,17,8,0.2265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(64,18,8,0.2265625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(65,17,12,3.02083333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(66,18,12,2.86458333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(67,17,16,0.29296875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(68,19,4,0.375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(69,19,8,0.4140625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(70,20,4,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(71,19,12,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(72,20,8,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(73,19,16,0.37890625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(74,20,12,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(75,20,16,0.39453125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(76,21,4,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(77,22,4,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(78,21,8,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(79,22,8,0.078125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(80,21,12,1.61458333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(81,22,12,1.61458333333333342585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(82,21,16,0.16796875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(83,22,16,0.16796875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(84,23,4,0.375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(85,24,4,0.171875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(86,23,8,0.359375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(87,24,8,0.2890625,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(88,23,12,3.64583333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(89,24,12,3.17708333333333314829e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(90,23,16,0.3984375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(91,24,16,0.35546875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(92,25,4,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(93,26,4,0.21875,'FINITE');
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
INSERT INTO "trial_params" VALUES(1,4,'temperature',1.41019167478215545763e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,4,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(3,4,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(4,4,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(5,4,'top_p',6.29351486806439375243e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,5,'temperature',4.72374847909361239572e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(7,5,'top_k',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(8,5,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(9,5,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(10,6,'temperature',1.23970152697268920505e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,6,'top_k',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(12,6,'repetition_penalty',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(13,6,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(14,7,'temperature',7.1872832375488227008e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(15,7,'top_k',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(16,7,'repetition_penalty',1.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(17,7,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(18,8,'temperature',9.30616039932551375457e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(19,8,'top_k',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(20,8,'repetition_penalty',1.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(21,8,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(22,9,'temperature',1.90318792135473557891e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(23,9,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(24,9,'repetition_penalty',1.4,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(25,9,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(26,9,'top_p',0.714287669518713,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(27,10,'temperature',1.10209931202810507144e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(28,10,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(29,10,'repetition_penalty',1.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(30,10,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(31,10,'top_p',9.4071309294471416873e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(32,11,'temperature',6.36688704430902085995e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(33,11,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(34,11,'repetition_penalty',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(35,11,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(36,11,'top_p',9.91959684402871744168e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(37,12,'temperature',4.59021024168279834221e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(38,12,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(39,12,'repetition_penalty',1.4,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(40,12,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(41,12,'top_p',8.06617640302019545117e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(42,13,'temperature',1.23985634823312551588e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(43,13,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(44,13,'repetition_penalty',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(45,13,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(46,13,'top_p',7.1752883703096570489e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(47,14,'temperature',6.78485990247643666606e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(48,14,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(49,14,'repetition_penalty',1.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(50,14,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(51,14,'top_p',6.6089685221372318491e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(52,15,'temperature',7.64510841902835136529e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(53,15,'top_k',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(54,15,'repetition_penalty',1.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(55,15,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(56,16,'temperature',1.40257354474392292864e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(57,16,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(58,16,'repetition_penalty',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(59,16,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(60,16,'top_p',0.678057388141881,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(61,17,'temperature',3.41159507875876399918e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(62,17,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(63,17,'repetition_penalty',1.1,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(64,17,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(65,17,'top_p',5.11572010663665199814e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(66,18,'temperature',3.62426027473478962193e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(67,18,'top_k',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(68,18,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(69,18,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(70,19,'temperature',1.81619335147215044123e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(71,19,'top_k',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(72,19,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(73,19,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(74,20,'temperature',7.27361430230637484584e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(75,20,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(76,20,'repetition_penalty',1.5,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(77,20,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(78,20,'top_p',6.77588415242954766881e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(79,24,'temperature',1.41019167478215545763e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(80,24,'top_k',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(81,24,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(82,24,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(83,24,'top_p',6.29351486806439375243e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(84,25,'temperature',4.72374847909361239572e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(85,25,'top_k',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(86,25,'repetition_penalty',1.3,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(87,25,'generation_seed',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
INSERT INTO "trial_params" VALUES(88,26,'temperature',1.23970152697268920505e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.3, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(89,26,'top_k',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 5, 50]}}');
INSERT INTO "trial_params" VALUES(90,26,'repetition_penalty',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 1.0, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(91,26,'generation_seed',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 1]}}');
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
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(4,1,'artifacts:9ecb45cc-033b-497b-88d5-6d6f503f2e9c','"{\"artifact_id\": \"9ecb45cc-033b-497b-88d5-6d6f503f2e9c\", \"filename\": \"trial_0_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(5,2,'artifacts:1e8d213b-29eb-401f-8e06-db8c4ebf0d2d','"{\"artifact_id\": \"1e8d213b-29eb-401f-8e06-db8c4ebf0d2d\", \"filename\": \"trial_1_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(6,3,'artifacts:aa27f3b6-71bc-4716-b73f-ce4da344a0c1','"{\"artifact_id\": \"aa27f3b6-71bc-4716-b73f-ce4da344a0c1\", \"filename\": \"trial_2_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(7,4,'artifacts:8cd4471b-74ff-4c0c-abce-7229d76ad259','"{\"artifact_id\": \"8cd4471b-74ff-4c0c-abce-7229d76ad259\", \"filename\": \"trial_3_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(8,5,'artifacts:1c6d4903-83f2-465f-baa8-18238f196b08','"{\"artifact_id\": \"1c6d4903-83f2-465f-baa8-18238f196b08\", \"filename\": \"trial_4_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(9,6,'artifacts:f02895cc-0e26-4925-aa79-55ee925376ec','"{\"artifact_id\": \"f02895cc-0e26-4925-aa79-55ee925376ec\", \"filename\": \"trial_5_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(10,7,'artifacts:1563569c-63a2-4d9b-bfb5-e95ad69155f6','"{\"artifact_id\": \"1563569c-63a2-4d9b-bfb5-e95ad69155f6\", \"filename\": \"trial_6_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(11,8,'artifacts:832d7b1c-53e8-4866-b899-b9832ef204df','"{\"artifact_id\": \"832d7b1c-53e8-4866-b899-b9832ef204df\", \"filename\": \"trial_7_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(12,9,'artifacts:cf14bef3-e423-434c-8b20-890051e395ff','"{\"artifact_id\": \"cf14bef3-e423-434c-8b20-890051e395ff\", \"filename\": \"trial_8_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(13,10,'artifacts:925e32d6-ff52-4338-9f28-49d6e5993f32','"{\"artifact_id\": \"925e32d6-ff52-4338-9f28-49d6e5993f32\", \"filename\": \"trial_9_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(14,11,'artifacts:f059ef29-136a-4a21-9b7b-674ee7801784','"{\"artifact_id\": \"f059ef29-136a-4a21-9b7b-674ee7801784\", \"filename\": \"trial_10_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(15,12,'artifacts:2422bd8b-8f48-43be-b8db-211d49968beb','"{\"artifact_id\": \"2422bd8b-8f48-43be-b8db-211d49968beb\", \"filename\": \"trial_11_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(16,13,'artifacts:0b144e2d-1308-434f-b3a1-a39a110b0cdd','"{\"artifact_id\": \"0b144e2d-1308-434f-b3a1-a39a110b0cdd\", \"filename\": \"trial_12_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(17,14,'artifacts:9cfcf584-f217-418a-9c17-b663b2156d38','"{\"artifact_id\": \"9cfcf584-f217-418a-9c17-b663b2156d38\", \"filename\": \"trial_13_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(18,15,'artifacts:fe28081b-d936-4fa0-9167-382d5d0508a9','"{\"artifact_id\": \"fe28081b-d936-4fa0-9167-382d5d0508a9\", \"filename\": \"trial_14_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(19,16,'artifacts:e56fc33d-950a-4827-8f62-e9e666daec21','"{\"artifact_id\": \"e56fc33d-950a-4827-8f62-e9e666daec21\", \"filename\": \"trial_15_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(20,18,'artifacts:392049dc-19b5-449b-ab60-4200d9d7b414','"{\"artifact_id\": \"392049dc-19b5-449b-ab60-4200d9d7b414\", \"filename\": \"trial_17_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(21,17,'artifacts:651f2208-8876-4e92-8ff9-5dbcf4d260b1','"{\"artifact_id\": \"651f2208-8876-4e92-8ff9-5dbcf4d260b1\", \"filename\": \"trial_16_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(22,19,'artifacts:8d2f32b8-2da2-4639-9c41-2c1b3e0d3119','"{\"artifact_id\": \"8d2f32b8-2da2-4639-9c41-2c1b3e0d3119\", \"filename\": \"trial_18_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(23,20,'artifacts:fca1820d-0054-4d9c-ad65-597b6c806711','"{\"artifact_id\": \"fca1820d-0054-4d9c-ad65-597b6c806711\", \"filename\": \"trial_19_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(24,21,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(25,22,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(26,23,'fixed_params','{}');
INSERT INTO "trial_system_attributes" VALUES(27,21,'artifacts:bd85b2a1-f132-4f30-8f5d-a29611801499','"{\"artifact_id\": \"bd85b2a1-f132-4f30-8f5d-a29611801499\", \"filename\": \"trial_0_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(28,22,'artifacts:dbf93502-3253-43a4-8840-1f53d87bd50f','"{\"artifact_id\": \"dbf93502-3253-43a4-8840-1f53d87bd50f\", \"filename\": \"trial_1_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(29,23,'artifacts:b448659d-4ec1-469e-9334-ee90780fe3e6','"{\"artifact_id\": \"b448659d-4ec1-469e-9334-ee90780fe3e6\", \"filename\": \"trial_2_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(30,24,'artifacts:40a59be6-0752-48aa-9dc8-d6c8c3da0066','"{\"artifact_id\": \"40a59be6-0752-48aa-9dc8-d6c8c3da0066\", \"filename\": \"trial_3_completions.jsonl\", \"mimetype\": \"application/jsonl\", \"encoding\": null}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'baseline','"model default"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(4,2,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(5,2,'baseline','"greedy"');
INSERT INTO "trial_user_attributes" VALUES(6,2,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(7,3,'queued_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(8,3,'fixed_generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(9,1,'round','0');
INSERT INTO "trial_user_attributes" VALUES(10,1,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(11,2,'round','0');
INSERT INTO "trial_user_attributes" VALUES(12,2,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(13,1,'tokens','52');
INSERT INTO "trial_user_attributes" VALUES(14,1,'finish_reasons','{"stop": 11, "length": 5}');
INSERT INTO "trial_user_attributes" VALUES(15,1,'tokens_per_s','178.3');
INSERT INTO "trial_user_attributes" VALUES(16,1,'replayed','0.0');
INSERT INTO "trial_user_attributes" VALUES(17,2,'tokens','52');
INSERT INTO "trial_user_attributes" VALUES(18,2,'finish_reasons','{"stop": 11, "length": 5}');
INSERT INTO "trial_user_attributes" VALUES(19,2,'tokens_per_s','156.3');
INSERT INTO "trial_user_attributes" VALUES(20,2,'replayed','0.0');
INSERT INTO "trial_user_attributes" VALUES(21,3,'round','4');
INSERT INTO "trial_user_attributes" VALUES(22,3,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(23,4,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 1.4101916747821555, \"top_k\": 0, \"top_p\": 0.6293514868064394}"');
INSERT INTO "trial_user_attributes" VALUES(24,4,'round','4');
INSERT INTO "trial_user_attributes" VALUES(25,3,'tokens','73');
INSERT INTO "trial_user_attributes" VALUES(26,3,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(27,3,'tokens_per_s','342.1');
INSERT INTO "trial_user_attributes" VALUES(28,3,'replayed','0.2329');
INSERT INTO "trial_user_attributes" VALUES(29,4,'tokens','66');
INSERT INTO "trial_user_attributes" VALUES(30,4,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(31,4,'tokens_per_s','324.9');
INSERT INTO "trial_user_attributes" VALUES(32,4,'replayed','0.2273');
INSERT INTO "trial_user_attributes" VALUES(33,5,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 0.47237484790936124, \"top_k\": 5}"');
INSERT INTO "trial_user_attributes" VALUES(34,5,'round','8');
INSERT INTO "trial_user_attributes" VALUES(35,6,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.0, \"temperature\": 1.2397015269726892, \"top_k\": 50}"');
INSERT INTO "trial_user_attributes" VALUES(36,6,'round','8');
INSERT INTO "trial_user_attributes" VALUES(37,5,'tokens','51');
INSERT INTO "trial_user_attributes" VALUES(38,5,'finish_reasons','{"stop": 7, "length": 5}');
INSERT INTO "trial_user_attributes" VALUES(39,5,'pruned_at','12');
INSERT INTO "trial_user_attributes" VALUES(40,5,'tokens_per_s','301.9');
INSERT INTO "trial_user_attributes" VALUES(41,5,'replayed','0.4314');
INSERT INTO "trial_user_attributes" VALUES(42,7,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.5, \"temperature\": 0.7187283237548823, \"top_k\": 50}"');
INSERT INTO "trial_user_attributes" VALUES(43,7,'round','11');
INSERT INTO "trial_user_attributes" VALUES(44,6,'tokens','72');
INSERT INTO "trial_user_attributes" VALUES(45,6,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(46,6,'tokens_per_s','238.1');
INSERT INTO "trial_user_attributes" VALUES(47,6,'replayed','0.5833');
INSERT INTO "trial_user_attributes" VALUES(48,8,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.5, \"temperature\": 0.9306160399325514, \"top_k\": 5}"');
INSERT INTO "trial_user_attributes" VALUES(49,8,'round','12');
INSERT INTO "trial_user_attributes" VALUES(50,7,'tokens','67');
INSERT INTO "trial_user_attributes" VALUES(51,7,'finish_reasons','{"stop": 8, "length": 7, "eos": 1}');
INSERT INTO "trial_user_attributes" VALUES(52,7,'tokens_per_s','261.7');
INSERT INTO "trial_user_attributes" VALUES(53,7,'replayed','0.6866');
INSERT INTO "trial_user_attributes" VALUES(54,8,'tokens','47');
INSERT INTO "trial_user_attributes" VALUES(55,8,'finish_reasons','{"stop": 6, "length": 6}');
INSERT INTO "trial_user_attributes" VALUES(56,8,'pruned_at','12');
INSERT INTO "trial_user_attributes" VALUES(57,8,'tokens_per_s','306.2');
INSERT INTO "trial_user_attributes" VALUES(58,8,'replayed','0.4043');
INSERT INTO "trial_user_attributes" VALUES(59,9,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.4, \"temperature\": 1.9031879213547356, \"top_k\": 0, \"top_p\": 0.714287669518713}"');
INSERT INTO "trial_user_attributes" VALUES(60,9,'round','15');
INSERT INTO "trial_user_attributes" VALUES(61,10,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.1, \"temperature\": 1.102099312028105, \"top_k\": 0, \"top_p\": 0.9407130929447142}"');
INSERT INTO "trial_user_attributes" VALUES(62,10,'round','15');
INSERT INTO "trial_user_attributes" VALUES(63,9,'tokens','60');
INSERT INTO "trial_user_attributes" VALUES(64,9,'finish_reasons','{"stop": 10, "length": 5, "eos": 1}');
INSERT INTO "trial_user_attributes" VALUES(65,9,'tokens_per_s','242.8');
INSERT INTO "trial_user_attributes" VALUES(66,9,'replayed','0.3833');
INSERT INTO "trial_user_attributes" VALUES(67,10,'tokens','59');
INSERT INTO "trial_user_attributes" VALUES(68,10,'finish_reasons','{"stop": 11, "length": 4, "eos": 1}');
INSERT INTO "trial_user_attributes" VALUES(69,10,'tokens_per_s','242.8');
INSERT INTO "trial_user_attributes" VALUES(70,10,'replayed','0.2881');
INSERT INTO "trial_user_attributes" VALUES(71,11,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.0, \"temperature\": 0.6366887044309021, \"top_k\": 0, \"top_p\": 0.9919596844028717}"');
INSERT INTO "trial_user_attributes" VALUES(72,11,'round','19');
INSERT INTO "trial_user_attributes" VALUES(73,12,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.4, \"temperature\": 0.45902102416827983, \"top_k\": 0, \"top_p\": 0.8066176403020195}"');
INSERT INTO "trial_user_attributes" VALUES(74,12,'round','19');
INSERT INTO "trial_user_attributes" VALUES(75,11,'tokens','44');
INSERT INTO "trial_user_attributes" VALUES(76,11,'finish_reasons','{"stop": 8, "length": 4}');
INSERT INTO "trial_user_attributes" VALUES(77,11,'pruned_at','12');
INSERT INTO "trial_user_attributes" VALUES(78,11,'tokens_per_s','176.2');
INSERT INTO "trial_user_attributes" VALUES(79,11,'replayed','0.5682');
INSERT INTO "trial_user_attributes" VALUES(80,12,'tokens','48');
INSERT INTO "trial_user_attributes" VALUES(81,12,'finish_reasons','{"stop": 9, "length": 3}');
INSERT INTO "trial_user_attributes" VALUES(82,12,'pruned_at','12');
INSERT INTO "trial_user_attributes" VALUES(83,12,'tokens_per_s','184.1');
INSERT INTO "trial_user_attributes" VALUES(84,12,'replayed','0.7917');
INSERT INTO "trial_user_attributes" VALUES(85,13,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.0, \"temperature\": 1.2398563482331255, \"top_k\": 0, \"top_p\": 0.7175288370309657}"');
INSERT INTO "trial_user_attributes" VALUES(86,13,'round','22');
INSERT INTO "trial_user_attributes" VALUES(87,14,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.1, \"temperature\": 0.6784859902476437, \"top_k\": 0, \"top_p\": 0.6608968522137232}"');
INSERT INTO "trial_user_attributes" VALUES(88,14,'round','22');
INSERT INTO "trial_user_attributes" VALUES(89,13,'tokens','67');
INSERT INTO "trial_user_attributes" VALUES(90,13,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(91,13,'tokens_per_s','343.4');
INSERT INTO "trial_user_attributes" VALUES(92,13,'replayed','0.9104');
INSERT INTO "trial_user_attributes" VALUES(93,14,'tokens','75');
INSERT INTO "trial_user_attributes" VALUES(94,14,'finish_reasons','{"stop": 7, "length": 9}');
INSERT INTO "trial_user_attributes" VALUES(95,14,'tokens_per_s','398.7');
INSERT INTO "trial_user_attributes" VALUES(96,14,'replayed','0.88');
INSERT INTO "trial_user_attributes" VALUES(97,15,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.1, \"temperature\": 0.7645108419028351, \"top_k\": 5}"');
INSERT INTO "trial_user_attributes" VALUES(98,15,'round','26');
INSERT INTO "trial_user_attributes" VALUES(99,16,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.0, \"temperature\": 1.402573544743923, \"top_k\": 0, \"top_p\": 0.678057388141881}"');
INSERT INTO "trial_user_attributes" VALUES(100,16,'round','26');
INSERT INTO "trial_user_attributes" VALUES(101,15,'tokens','82');
INSERT INTO "trial_user_attributes" VALUES(102,15,'finish_reasons','{"stop": 8, "length": 8}');
INSERT INTO "trial_user_attributes" VALUES(103,15,'tokens_per_s','305.0');
INSERT INTO "trial_user_attributes" VALUES(104,15,'replayed','0.7805');
INSERT INTO "trial_user_attributes" VALUES(105,16,'tokens','70');
INSERT INTO "trial_user_attributes" VALUES(106,16,'finish_reasons','{"stop": 6, "length": 9, "eos": 1}');
INSERT INTO "trial_user_attributes" VALUES(107,16,'tokens_per_s','250.4');
INSERT INTO "trial_user_attributes" VALUES(108,16,'replayed','0.7');
INSERT INTO "trial_user_attributes" VALUES(109,17,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.1, \"temperature\": 0.3411595078758764, \"top_k\": 0, \"top_p\": 0.5115720106636652}"');
INSERT INTO "trial_user_attributes" VALUES(110,17,'round','30');
INSERT INTO "trial_user_attributes" VALUES(111,18,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 0.36242602747347896, \"top_k\": 50}"');
INSERT INTO "trial_user_attributes" VALUES(112,18,'round','30');
INSERT INTO "trial_user_attributes" VALUES(113,18,'tokens','50');
INSERT INTO "trial_user_attributes" VALUES(114,18,'finish_reasons','{"stop": 8, "length": 4}');
INSERT INTO "trial_user_attributes" VALUES(115,18,'pruned_at','12');
INSERT INTO "trial_user_attributes" VALUES(116,18,'tokens_per_s','404.8');
INSERT INTO "trial_user_attributes" VALUES(117,18,'replayed','0.88');
INSERT INTO "trial_user_attributes" VALUES(118,19,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 1.8161933514721504, \"top_k\": 50}"');
INSERT INTO "trial_user_attributes" VALUES(119,19,'round','33');
INSERT INTO "trial_user_attributes" VALUES(120,17,'tokens','74');
INSERT INTO "trial_user_attributes" VALUES(121,17,'finish_reasons','{"length": 8, "stop": 8}');
INSERT INTO "trial_user_attributes" VALUES(122,17,'tokens_per_s','235.9');
INSERT INTO "trial_user_attributes" VALUES(123,17,'replayed','0.7297');
INSERT INTO "trial_user_attributes" VALUES(124,20,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.5, \"temperature\": 0.7273614302306375, \"top_k\": 0, \"top_p\": 0.6775884152429548}"');
INSERT INTO "trial_user_attributes" VALUES(125,20,'round','34');
INSERT INTO "trial_user_attributes" VALUES(126,19,'tokens','75');
INSERT INTO "trial_user_attributes" VALUES(127,19,'finish_reasons','{"length": 7, "stop": 9}');
INSERT INTO "trial_user_attributes" VALUES(128,19,'tokens_per_s','311.0');
INSERT INTO "trial_user_attributes" VALUES(129,19,'replayed','0.8133');
INSERT INTO "trial_user_attributes" VALUES(130,20,'tokens','75');
INSERT INTO "trial_user_attributes" VALUES(131,20,'finish_reasons','{"stop": 8, "length": 8}');
INSERT INTO "trial_user_attributes" VALUES(132,20,'tokens_per_s','468.7');
INSERT INTO "trial_user_attributes" VALUES(133,20,'replayed','0.9067');
INSERT INTO "trial_user_attributes" VALUES(134,21,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(135,21,'baseline','"model default"');
INSERT INTO "trial_user_attributes" VALUES(136,21,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(137,22,'queued_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(138,22,'baseline','"greedy"');
INSERT INTO "trial_user_attributes" VALUES(139,22,'fixed_generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(140,23,'queued_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(141,23,'fixed_generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(142,21,'round','0');
INSERT INTO "trial_user_attributes" VALUES(143,21,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(144,22,'round','0');
INSERT INTO "trial_user_attributes" VALUES(145,22,'generation_params','"{\"do_sample\": false, \"generation_seed\": 0, \"max_new_tokens\": 6}"');
INSERT INTO "trial_user_attributes" VALUES(146,21,'tokens','52');
INSERT INTO "trial_user_attributes" VALUES(147,21,'finish_reasons','{"stop": 11, "length": 5}');
INSERT INTO "trial_user_attributes" VALUES(148,21,'tokens_per_s','188.2');
INSERT INTO "trial_user_attributes" VALUES(149,21,'replayed','0.0');
INSERT INTO "trial_user_attributes" VALUES(150,22,'tokens','52');
INSERT INTO "trial_user_attributes" VALUES(151,22,'finish_reasons','{"stop": 11, "length": 5}');
INSERT INTO "trial_user_attributes" VALUES(152,22,'tokens_per_s','169.8');
INSERT INTO "trial_user_attributes" VALUES(153,22,'replayed','0.0');
INSERT INTO "trial_user_attributes" VALUES(154,23,'round','4');
INSERT INTO "trial_user_attributes" VALUES(155,23,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"min_p\": 0.1, \"temperature\": 0.9}"');
INSERT INTO "trial_user_attributes" VALUES(156,24,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 1.4101916747821555, \"top_k\": 0, \"top_p\": 0.6293514868064394}"');
INSERT INTO "trial_user_attributes" VALUES(157,24,'round','4');
INSERT INTO "trial_user_attributes" VALUES(158,23,'tokens','73');
INSERT INTO "trial_user_attributes" VALUES(159,23,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(160,23,'tokens_per_s','281.3');
INSERT INTO "trial_user_attributes" VALUES(161,23,'replayed','0.2329');
INSERT INTO "trial_user_attributes" VALUES(162,24,'tokens','66');
INSERT INTO "trial_user_attributes" VALUES(163,24,'finish_reasons','{"stop": 9, "length": 7}');
INSERT INTO "trial_user_attributes" VALUES(164,24,'tokens_per_s','261.7');
INSERT INTO "trial_user_attributes" VALUES(165,24,'replayed','0.2273');
INSERT INTO "trial_user_attributes" VALUES(166,25,'generation_params','"{\"generation_seed\": 0, \"max_new_tokens\": 6, \"repetition_penalty\": 1.3, \"temperature\": 0.47237484790936124, \"top_k\": 5}"');
INSERT INTO "trial_user_attributes" VALUES(167,25,'round','8');
INSERT INTO "trial_user_attributes" VALUES(168,26,'generation_params','"{\"generation_seed\": 1, \"max_new_tokens\": 6, \"repetition_penalty\": 1.0, \"temperature\": 1.2397015269726892, \"top_k\": 50}"');
INSERT INTO "trial_user_attributes" VALUES(169,26,'round','8');
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
INSERT INTO "trial_values" VALUES(1,1,0,0.16796875,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.16796875,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,0.3984375,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,0.35546875,'FINITE');
INSERT INTO "trial_values" VALUES(5,5,0,0.28125,'FINITE');
INSERT INTO "trial_values" VALUES(6,6,0,0.32421875,'FINITE');
INSERT INTO "trial_values" VALUES(7,7,0,0.359375,'FINITE');
INSERT INTO "trial_values" VALUES(8,8,0,0.265625,'FINITE');
INSERT INTO "trial_values" VALUES(9,9,0,0.32421875,'FINITE');
INSERT INTO "trial_values" VALUES(10,10,0,0.3203125,'FINITE');
INSERT INTO "trial_values" VALUES(11,11,0,2.13541666666666657414e-01,'FINITE');
INSERT INTO "trial_values" VALUES(12,12,0,2.7604166666666668517e-01,'FINITE');
INSERT INTO "trial_values" VALUES(13,13,0,0.35546875,'FINITE');
INSERT INTO "trial_values" VALUES(14,14,0,0.36328125,'FINITE');
INSERT INTO "trial_values" VALUES(15,15,0,0.33984375,'FINITE');
INSERT INTO "trial_values" VALUES(16,16,0,0.37109375,'FINITE');
INSERT INTO "trial_values" VALUES(17,18,0,2.86458333333333314829e-01,'FINITE');
INSERT INTO "trial_values" VALUES(18,17,0,0.29296875,'FINITE');
INSERT INTO "trial_values" VALUES(19,19,0,0.37890625,'FINITE');
INSERT INTO "trial_values" VALUES(20,20,0,0.39453125,'FINITE');
INSERT INTO "trial_values" VALUES(21,21,0,0.16796875,'FINITE');
INSERT INTO "trial_values" VALUES(22,22,0,0.16796875,'FINITE');
INSERT INTO "trial_values" VALUES(23,23,0,0.3984375,'FINITE');
INSERT INTO "trial_values" VALUES(24,24,0,0.35546875,'FINITE');
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-28 19:36:54.869216','2026-11-28 19:36:55.200888');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-28 19:36:54.907409','2026-11-28 19:36:55.267911');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-28 19:36:55.296704','2026-11-28 19:36:55.541397');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-28 19:36:55.335380','2026-11-28 19:36:55.590535');
INSERT INTO "trials" VALUES(5,4,1,'PRUNED','2026-11-28 19:36:55.616038','2026-11-28 19:36:55.822253');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-28 19:36:55.653742','2026-11-28 19:36:55.988894');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-28 19:36:55.879083','2026-11-28 19:36:56.173353');
INSERT INTO "trials" VALUES(8,7,1,'PRUNED','2026-11-28 19:36:56.034924','2026-11-28 19:36:56.228303');
INSERT INTO "trials" VALUES(9,8,1,'COMPLETE','2026-11-28 19:36:56.251881','2026-11-28 19:36:56.538234');
INSERT INTO "trials" VALUES(10,9,1,'COMPLETE','2026-11-28 19:36:56.295378','2026-11-28 19:36:56.575418');
INSERT INTO "trials" VALUES(11,10,1,'PRUNED','2026-11-28 19:36:56.604602','2026-11-28 19:36:56.894576');
INSERT INTO "trials" VALUES(12,11,1,'PRUNED','2026-11-28 19:36:56.650225','2026-11-28 19:36:56.950954');
INSERT INTO "trials" VALUES(13,12,1,'COMPLETE','2026-11-28 19:36:56.976248','2026-11-28 19:36:57.213938');
INSERT INTO "trials" VALUES(14,13,1,'COMPLETE','2026-11-28 19:36:57.027074','2026-11-28 19:36:57.258585');
INSERT INTO "trials" VALUES(15,14,1,'COMPLETE','2026-11-28 19:36:57.283948','2026-11-28 19:36:57.598782');
INSERT INTO "trials" VALUES(16,15,1,'COMPLETE','2026-11-28 19:36:57.331311','2026-11-28 19:36:57.652230');
INSERT INTO "trials" VALUES(17,16,1,'COMPLETE','2026-11-28 19:36:57.682014','2026-11-28 19:36:58.035069');
INSERT INTO "trials" VALUES(18,17,1,'PRUNED','2026-11-28 19:36:57.734111','2026-11-28 19:36:57.889126');
INSERT INTO "trials" VALUES(19,18,1,'COMPLETE','2026-11-28 19:36:57.920485','2026-11-28 19:36:58.194852');
INSERT INTO "trials" VALUES(20,19,1,'COMPLETE','2026-11-28 19:36:58.073483','2026-11-28 19:36:58.268866');
INSERT INTO "trials" VALUES(21,0,2,'COMPLETE','2026-11-28 19:36:58.921071','2026-11-28 19:36:59.236109');
INSERT INTO "trials" VALUES(22,1,2,'COMPLETE','2026-11-28 19:36:58.959929','2026-11-28 19:36:59.678421');
INSERT INTO "trials" VALUES(23,2,2,'COMPLETE','2026-11-28 19:36:59.721525','2026-11-28 19:37:00.012960');
INSERT INTO "trials" VALUES(24,3,2,'COMPLETE','2026-11-28 19:36:59.760954','2026-11-28 19:37:00.069075');
INSERT INTO "trials" VALUES(25,4,2,'RUNNING','2026-11-28 19:37:00.099898',NULL);
INSERT INTO "trials" VALUES(26,5,2,'RUNNING','2026-11-28 19:37:00.159564',NULL);
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
