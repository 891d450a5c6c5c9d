'use strict';
// A plugin of Haraka: takes mail of users that are authenticated, and on port HARAKA_MX of anyone. Each message
// becomes HARAKA_MAIL/NNNN.eml, behind a header field of Haraka's own.
const fs = require('node:fs');

let count = 0;

exports.hook_mail = function (next, connection) {
  const open = connection.local.port === Number(process.env.HARAKA_MX);
  if (open || connection.notes.auth_user) return next();
  return next(DENY, ['authentication required']);
};

exports.hook_rcpt = function (next, connection, [recipient]) {
  if (recipient.user === 'nobody') return next(DENY, 'no such user');
  if (recipient.user === 'deferme') return next(DENYSOFT, 'try later');
  return next(OK);
};

exports.hook_queue = function (next, connection) {
  const name = `${process.env.HARAKA_MAIL}/${String(++count).padStart(4, '0')}`;
  const file = fs.createWriteStream(`${name}.tmp`);
  file.once('close', () => {
    fs.renameSync(`${name}.tmp`, `${name}.eml`);
    next(OK);
  });
  connection.transaction.message_stream.pipe(file, { line_endings: '\r\n' });
};

// Mail of authenticated users would otherwise go to Haraka's own queue.
exports.hook_queue_outbound = exports.hook_queue;
