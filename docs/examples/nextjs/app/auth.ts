import { getServerSession, type NextAuthOptions } from "next-auth";

/** Options of NextAuth. It creates the sessions that the API reads: encrypted cookies that contain the user id. */
export const authOptions: NextAuthOptions = {
  providers: [], // add your dashboard's providers
  session: { strategy: "jwt" },
  callbacks: {
    jwt: ({ token, user }) => (user ? { ...token, userId: Number(user.id) } : token),
    session: ({ session, token }) => ({ ...session, userId: token.userId }),
  },
};

/** Returns the id of the signed-in user, from the same cookie that the API reads; null if the user's id is not a number. */
export async function signedInUser(): Promise<number | null | undefined> {
  return (await getServerSession(authOptions))?.userId;
}
