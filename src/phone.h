/*-------------------------------------------------------------------------
 *
 * phone.h
 *		Phone numbers as people write them, and as E.164 has them.
 *
 * IDENTIFICATION
 *	  src/phone.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_PHONE_H
#define VR_PHONE_H

/*
 * An SQL expression: the number in E.164, or NULL where it is none.  Blanks, brackets,
 * dots, slashes and hyphens do not count, nor does (0); 00 is +.
 */
#define VR_E164(number) \
	"pg_catalog.substring(pg_catalog.regexp_replace(" \
	"pg_catalog.regexp_replace(" number ", E'\\\\(0\\\\)|[\\\\s()./-]', '', 'g')," \
	" '^00', '+'), E'^\\\\+[1-9][0-9]{1,14}$')"

#endif							/* VR_PHONE_H */
